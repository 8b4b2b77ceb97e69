"""The description of the API as a page, none of which comes from another host."""

from __future__ import annotations

import importlib.resources

from starlette.responses import Response

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The API of inkdigits</title>
<link rel="icon" href="../page/icon.svg">
<link rel="stylesheet" href="docs/swagger-ui.css">
<main id="description"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
START = """SwaggerUIBundle({ url: "openapi.json", dom_id: "#description", deepLinking: true });
"""
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def load_documentation() -> dict[str, Response]:
    """Files of the description by name; "" is the page itself."""
    # The files of Swagger UI in a package, of which nothing else is used.
    static = importlib.resources.files("fastapi_offline") / "static"
    files = {
        name: (static / name).read_bytes() for name in ("swagger-ui.css", "swagger-ui-bundle.js")
    }
    files["start.js"] = START.encode()
    headers = {"Cache-Control": "no-cache"}
    responses = {
        name: Response(content, headers=headers, media_type=_TYPES[name[name.rindex(".") :]])
        for name, content in files.items()
    }
    responses[""] = Response(PAGE, headers=headers, media_type="text/html")
    return responses
