"""The page at ``/``: static files that Vite has built into ``api/web/dist``."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response

from services.errors import NotFound

# The page's own scripts, styles and connections, and nothing else.
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def mount(app: FastAPI, root: Path) -> None:
    """Serve ``root`` at ``/``; the last route, so that it takes only what nothing else did."""

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> Response:
        file = (root / (path or "index.html")).resolve()
        if path.startswith("api/") or not file.is_relative_to(root.resolve()) or not file.is_file():
            raise NotFound(
                f"there is nothing at /{path}",
                field="path",
                value=path,
                remedy="the API is at /api/v1 (GET /api/v1/openapi.json)"
                if (root / "index.html").is_file()
                else "the page was not built: make web",
            )
        # Asked for anew each time: names carry no digest, and a new version must not meet old scripts.
        return FileResponse(file, headers={**_HEADERS, "cache-control": "no-cache"})
