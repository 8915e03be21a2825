"""`openedai keys …` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from openedai.cli.start import read_settings
from openedai.cli.terminal import Config, ErrorMessages, stdout

keys_app = typer.Typer(help="Create, limit and revoke API keys.", no_args_is_help=True)

Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        help="A limit, such as tokens_per_day=100000; may be repeated. docs/limits.md lists them.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; docs/keys.md has its shape.")]


@keys_app.command(
    "create",
    epilog="Examples: [bold]openedai keys create me --admin[/] | [bold]openedai keys create shop "
    "--expires 30d --models gpt-4o --endpoints chat,models --limit tokens_per_day=100000[/]",
)
def create(
    name: Annotated[str, typer.Argument(help="A name for the key.")],
    project: Annotated[
        str | None,
        typer.Option(help="Project, by id or name; by default a new one named after the key."),
    ] = None,
    owner: Annotated[str, typer.Option(help="Whose key it is, as a note to yourself.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="How long it is valid, such as 12h, 30d or 1y (forever).")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Models that it may use, separated by commas (all).")
    ] = None,
    endpoints: Annotated[
        str | None,
        typer.Option(
            help="Endpoint groups that it may use, such as chat,embeddings (all but `server`)."
        ),
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Allow it to manage the server and its keys.")
    ] = False,
    limit: Limits = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Create a key. It is printed once; only a hash of it is stored."""
    from openedai.cli.keys import work
    from openedai.store.keys.records import ApiKey

    with ErrorMessages():
        limits, storage = work.limits(limit or [])
        new_key = ApiKey(
            project=project or "",
            name=work.name(name),
            owner=owner,
            admin=admin,
            models=work.names(models),
            endpoints=work.names(endpoints),
            expires_at=work.expiry(expires),
            limits=limits,
        )
        work.create(read_settings(config), new_key, storage, as_json=as_json)


@keys_app.command(
    "edit",
    epilog="Examples: [bold]openedai keys edit key_… --limit requests_per_minute=60 "
    "--limit tokens_per_day=0[/] | [bold]openedai keys edit key_… --expires never --models '*'[/]",
)
def edit(
    id: str,
    name: Annotated[str | None, typer.Option(help="What the key is called.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whose the key is.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends from now on: 90m, 12h, 30d, 4w, 1y or never.")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Models that it may use, with commas; '*' is all.")
    ] = None,
    endpoints: Annotated[
        str | None, typer.Option(help="Groups of URLs, such as chat,embeddings.")
    ] = None,
    limit: Limits = None,
    config: Config = None,
) -> None:
    """Change a key, from its next request on. What is not given stays; limit 0 removes one."""
    from openedai.cli.keys import work

    with ErrorMessages():
        limits, storage = work.limits(limit or [])
        change = work.Change(
            name=None if name is None else work.name(name),
            owner=owner,
            expires=expires,
            models=work.names(models),
            endpoints=work.names(endpoints),
            limits=limits,
            storage_bytes=storage,
        )
        work.edit(read_settings(config), id, change)


@keys_app.command("list", epilog="Example: [bold]openedai keys list --json[/]")
def list_keys(
    every: Annotated[bool, typer.Option("--all", help="Include revoked and expired keys.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the keys, what they may do and when they were last used."""
    from openedai.cli.keys import work

    with ErrorMessages():
        if as_json:
            print(work.list_keys_as_json(read_settings(config), every=every))
        else:
            work.list_keys(read_settings(config), stdout(), every=every)


@keys_app.command("show")
def show(id: str, config: Config = None, as_json: AsJson = False) -> None:
    """Show everything that is known about a key, except the key itself."""
    from openedai.cli.keys import work

    with ErrorMessages():
        if as_json:
            print(work.show_as_json(read_settings(config), id))
        else:
            work.show(read_settings(config), id, stdout())


@keys_app.command("revoke")
def revoke(ids: list[str], config: Config = None) -> None:
    """Revoke keys, from their next request on."""
    from openedai.cli.keys import work

    with ErrorMessages():
        work.revoke(read_settings(config), ids)


@keys_app.command("forget")
def forget(config: Config = None) -> None:
    """Delete revoked and expired keys. Once no key is left, requests need none again."""
    from openedai.cli.keys import work

    with ErrorMessages():
        work.forget(read_settings(config))
