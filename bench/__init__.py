"""What is measured, and how to run it again: ``make bench`` or ``python -m bench [NAME…]``.

Figures depend on the machine and on what else it does; compare within one run, and quote ratios.
"""
