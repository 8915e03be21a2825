"""`openedai keys …` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from openedai.cli.start import read_settings
from openedai.cli.terminal import Config, ErrorMessages, stdout

keys_app = typer.Typer(help="Make and revoke keys for clients.", no_args_is_help=True)

Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        help="How much it may use, such as tokens_per_day=100000; repeat. docs/keys.md has all.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; docs/keys.md has its shape.")]


@keys_app.command(
    "create",
    epilog="Examples: [bold]openedai keys create me --admin[/] | [bold]openedai keys create shop "
    "--expires 30d --models gpt-4o --endpoints chat,models --limit tokens_per_day=100000[/]",
)
def create(
    name: Annotated[str, typer.Argument(help="What the key is called.")],
    project: Annotated[
        str | None,
        typer.Option(help="Id or name of a project; without it, a new one of the key's name."),
    ] = None,
    owner: Annotated[str, typer.Option(help="Whose the key is, for you to read.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90m, 12h, 30d, 4w, 1y (never).")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Models that it may use, with commas (all).")
    ] = None,
    endpoints: Annotated[
        str | None, typer.Option(help="Groups of URLs, such as chat,embeddings (api).")
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="It may manage the server and its keys.")
    ] = False,
    limit: Limits = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed once; only its digest is kept."""
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
    epilog="Example: [bold]openedai keys edit key_… --limit requests_per_minute=60 "
    "--limit tokens_per_day=0[/]",
)
def edit(id: str, limit: Limits = None, config: Config = None) -> None:
    """Change how much a key may use; 0 is no limit. Every server knows it by the next request."""
    from openedai.cli.keys import work

    with ErrorMessages():
        work.edit(read_settings(config), id, *work.limits(limit or []))


@keys_app.command("list", epilog="Example: [bold]openedai keys list --json[/]")
def list_keys(
    every: Annotated[
        bool, typer.Option("--all", help="Also those that are revoked or expired.")
    ] = False,
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
    """Show one key: everything but the key itself, which is not kept."""
    from openedai.cli.keys import work

    with ErrorMessages():
        if as_json:
            print(work.show_as_json(read_settings(config), id))
        else:
            work.show(read_settings(config), id, stdout())


@keys_app.command("revoke")
def revoke(ids: list[str], config: Config = None) -> None:
    """Have every server refuse keys from now on."""
    from openedai.cli.keys import work

    with ErrorMessages():
        work.revoke(read_settings(config), ids)


@keys_app.command("forget")
def forget(config: Config = None) -> None:
    """Delete keys that are revoked or expired. Without any key, this machine needs none again."""
    from openedai.cli.keys import work

    with ErrorMessages():
        work.forget(read_settings(config))
