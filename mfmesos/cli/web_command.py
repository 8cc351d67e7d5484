"""`mfmesos web`: the page of a run."""
from __future__ import annotations

from pathlib import Path

import click

from mfmesos.cli.failing import fail
from mfmesos.shared.messages import seeing as m
from mfmesos.shared.plainerrors import plain


@click.command()
@click.argument("folder", required=False, default=".", metavar="FOLDER",
                type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--listen", default="127.0.0.1:0", metavar="ADDRESS[:PORT]",
              help="Listen on this loopback address (default: 127.0.0.1, a free port).")
def web(folder: Path, listen: str) -> None:
    """Serve a page about a run: live, ended or crashed.

    Prints a link, which holds the page's token. Ends at Ctrl-C. FOLDER is the folder of the workflow (default: the
    present one).
    """
    from mfmesos.settings.config import ConfigError
    from mfmesos.web import page_process

    try:
        page_process.serve(folder.resolve(), listen, lambda address, link: click.echo(m.PAGE_LINK(link=link)))
    except ConfigError as e:
        fail(str(e))
    except OSError as e:
        fail(plain(e))
