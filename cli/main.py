"""The `postino` command itself: one line for each subcommand of the operator."""

import logging

from cli import audit, in_doubt, keys, parked, reminders, remote_content
from cli.app import App
from cli.doctor import doctor
from cli.erase import erase
from cli.find import find
from cli.pauses import pause, resume
from cli.reach import reach
from cli.report import report
from cli.send import send
from cli.show import show
from cli.status import status
from cli.try_template import try_template

app = App()
app.command()(send)
app.command("try")(try_template)
app.command()(reach)
app.command()(show)
app.command()(find)
app.command()(status)
app.command()(report)
app.command()(doctor)
app.command()(erase)
app.command()(pause)
app.command()(resume)
app.add_typer(parked.app, name="parked")
app.add_typer(in_doubt.app, name="in-doubt")
app.add_typer(reminders.app, name="reminders")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(remote_content.app, name="remote-content")


@app.callback()
def postino() -> None:
    """Postino: che cosa è successo ai messaggi inviati ai cittadini con l'app IO.

    Legge dall'ambiente le stesse impostazioni dell'app Azure Functions: AzureWebJobsStorage (oppure
    AzureWebJobsStorage__accountName, o AzureWebJobsStorage__queueServiceUri e
    AzureWebJobsStorage__tableServiceUri), ENCRYPTION_KEYS e IO_API_KEY o IO_SERVICES. `remote-content` vuole
    anche IO_MANAGE_API_KEY e REMOTE_CONTENT_API_KEY, per le configurazioni su IO.

    Codici di uscita: 0 fatto, 1 non trovato, o qualcosa richiede attenzione, 2 uso o impostazioni sbagliate,
    oppure lo storage non risponde, 3 errore imprevisto, 130 interrotto.

    Per esempio: postino status
    """
    # The command prints a failure once; the client libraries would log it again at each attempt.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    # Logs are for those who run the app. Operators get what the command prints.
    logging.basicConfig(handlers=[logging.NullHandler()])
