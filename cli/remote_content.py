"""`postino remote-content`: what IO fetches from this app, and where IO finds the app."""

from cli import configurations, corrections
from cli.app import App

app = App(help="I contenuti che IO prende da questa app quando il cittadino apre il messaggio.")
app.command("list")(configurations.list_)
app.command()(configurations.show)
app.command()(configurations.create)
app.command()(configurations.update)
app.command()(corrections.correct)
app.command()(corrections.versions)
