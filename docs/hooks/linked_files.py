"""Puts the files outside `docs/` that a page links to into the site, so that the links work there.

A page links to them as in the repository, for example `../../results/load.json`. A link to a file
that does not exist is left to the strict build, which ends with it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds each linked file; MkDocs calls this before it reads the pages."""
    docs = Path(config.docs_dir)
    for page in list(files.documentation_pages()):
        folder = posixpath.dirname(page.src_uri)
        for link in _LINK.findall(page.content_string):
            uri = posixpath.normpath(posixpath.join(folder, link))
            if (
                uri.startswith("../")
                and (docs / uri).is_file()
                and files.get_file_from_path(uri) is None
            ):
                path = str((docs / uri).resolve())
                # Or it would be left out, as all names that begin with a point.
                included = InclusionLevel.INCLUDED
                file = File.generated(config, uri, abs_src_path=path, inclusion=included)
                # Beside the pages, because the address must not leave the folder of the site.
                file.dest_uri = uri.removeprefix("../")
                files.append(file)
    return files
