"""Master data on its way in.

``rows`` (texts → rows, or what is wrong with them), ``files``, ``changes`` (what an upload adds, corrects, removes),
``misses`` (what could not be mapped), ``book`` (the log's topic of look-ups, followed).
"""
