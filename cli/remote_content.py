"""`postino remote-content`: what IO fetches from this app, and where IO finds the app."""

import typer

from cli import configurations, corrections

app = typer.Typer(
    no_args_is_help=True,
    help="I contenuti che IO prende da questa app quando il cittadino apre il messaggio.",
)
app.command("list")(configurations.list_)
app.command()(configurations.show)
app.command()(configurations.create)
app.command()(configurations.update)
app.command()(corrections.correct)
app.command()(corrections.versions)
