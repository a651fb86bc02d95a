"""A stateful simulator of PagoPA's IO API, for tests, load tests and the local demo.

`python -m local.io_simulator [--port P] [--keys NAME=KEY,...] [--manage-keys NAME=KEY,...]
[--rate-limit 150/5] [--processing-delay S]` serves it on 127.0.0.1; `running_simulator()` runs it inside a
test.

It answers like the public specifications (Messages API 2.1.9, functions-services 4.1.1 for profiles) and the
code behind them. It also gives the answers that the specifications leave out (404 on submission, 400 and 500
on reading). It lacks the services API.

Under `/api/v1`, with a key in `Ocp-Apim-Subscription-Key`:
    POST /profiles, GET /profiles/{fiscal_code}                   operation `get_profile`
    POST /messages, POST /messages/{fiscal_code}                  operation `submit_message`
    GET /messages/{fiscal_code}/{id}                              operation `get_message`
    GET /subscriptions-feed/{date}                                operation `get_subscriptions`
and, with a key of the kind MANAGE, under `/api/v1/messages-sending` (specification 2.0.11):
    POST /remote-contents/configurations                          operation `create_configuration`
    GET /remote-contents/configurations                           operation `list_configurations`
    GET /remote-contents/configurations/{id}                      operation `get_configuration`
    PUT /remote-contents/configurations/{id}                      operation `update_configuration`

If IO_SIMULATOR_JOURNAL names a file, each call and its answer become a line of JSON there (journal.py).

There are two clocks. The rate limit uses real time. Processing, reading and paying use a simulated clock:
real time plus the time that `POST /simulator/clock` has added.

Control, under `/simulator`: no key, no rate limit, JSON. A wrong body gets a 400 that names field and rule.

    GET, POST /simulator/clock       {"advance_seconds": 3600}; both answer {"now": instant}
    POST /simulator/citizens         {fiscal code or "default": script, ...}
        "default" stands for every valid fiscal code without a script. A new script replaces the previous one
        and also applies to messages already accepted. Its fields are all optional:
        on_io, inbox_enabled         true; false: 404 to the profile call, REJECTED for the messages
        sender_allowed               true | false | {service: bool}; services not named are allowed
        blocks_after_seconds         after this time from the script, blocks every service; null: never
        preferred_languages          ["it_IT"]; null leaves the field out of the answer
        reads_after_seconds          60 after acceptance, never before processing; null: never
        pays_after_seconds           120 after acceptance; null: never
        read_status_unavailable      [{"from_seconds": 0, "to_seconds": null}, ...] after acceptance; [{}] is
                                     an old app, or a citizen who denied it
        processing_outcome           REJECTED | FAILED; null: follows from the citizen's state
        pagopa_fails_first_gets      0; this many GETs of each message fail, since pagoPA does not answer IO
        pagopa_fails                 spans as above
    POST /simulator/services         {service: {"keys": [...], ...}}: adds or replaces services
        account                      "institution"; services of one account share the rate limit
        groups                       IO's own names; default: all but the reserved ones. Without
                                     ApiMessageWriteAdvanced the service is not Premium. With
                                     ApiLimitedMessageWrite its account is limited and reaches only its
                                     authorized_recipients. With ApiSubscriptionsFeedRead it reads the
                                     subscriptions feed, which holds the citizens that have a script
        authorized_recipients, authorized_cidrs, max_allowed_payment_amount (cents, 1000000),
        organization_fiscal_code (the payee of its payments)
        manage_keys                  the account's keys of the kind MANAGE; [] by default
        configuration_ids            configurations of remote contents that exist without an environment: IO
                                     takes the messages, and nobody can open them
    POST /simulator/keys             {service: [keys]}: the only valid keys from now on; [] revokes all
    GET, POST, DELETE /simulator/faults   GET lists those left, POST appends a list, DELETE clears. A fault:
        operation                    one of those above or "any"
        kind                         429 | 500_before | 502_before | 503_before (no effect) | 500_after |
                                     502_after (effect, then the error) | hang (no effect, no answer) |
                                     accept_then_hang (effect; answers after `seconds`, or never) |
                                     reset_before | reset_after (TCP reset) | half_response (effect) |
                                     slow (`seconds` or until the faults are cleared, then the effect) |
                                     accept_without_id (201 without id)
        count                        the number of calls it hits; 1, or no limit if `probability` is given
        probability, seed            hits each call with this probability; equal seeds hit the same calls
        after                        0; this many calls pass untouched first
        seconds                      for slow, accept_then_hang, and 429 (the wait it asks for)
        Each call meets one fault at most: the first in the queue that hits it. Calls refused for their key
        or for the rate limit meet none.
    GET /simulator/messages          {"count", "messages"} in order of acceptance, with content, key, status;
                                     filters: id, service, fiscal_code, subject, feature_level_type, key
    POST /simulator/open             {"id": message id, "wait_seconds": 0}: the citizen opens the message.
        The simulator fetches precondition (if the message says ALWAYS, or ONCE at the first opening), details
        and attachments from the environment of the configuration: the test environment for its test_users,
        the production environment for all others, as IO's backend does. The calls have the header fiscal_code
        and the key, and LolliPoP's headers (without a true signature) where the configuration enables them.
        Each call may take ten seconds; redirects are not followed.
        Answers what the citizen sees:
            {"subject", "markdown", "precondition": {"title", "markdown"} or null, "error": null,
             "attachments": [{"name", "status", "bytes", "sha256", "retry_after"}, ...]}
        status of an attachment      200; 415 if the bytes are not a PDF; 503 with `retry_after` if it is not
                                     there yet: the app waits for it, `wait_seconds` in all; or the error
        error                        {"status", "title"} in place of the text: 404 before the message is
                                     processed; 502 ATTACHMENTS_NOT_PRESENT, REMOTE_CONTENT_NOT_PRESENT,
                                     MARKDOWN_VALIDATION_ERROR or SUBJECT_VALIDATION_ERROR if content and
                                     flags differ; 400, 403, 404, 429 of the institution; else 500
    GET /simulator/calls             {"operations": {operation: {"received", "answered": {status: n}}},
                                     "busiest_window": most calls of one account within the limit's period}
    POST /simulator/reset            restores the initial state
"""

from local.io_simulator.citizens import Citizen
from local.io_simulator.faults import Fault
from local.io_simulator.rate_limit import RateLimit
from local.io_simulator.server import RunningSimulator, running_simulator
from local.io_simulator.services import Service
from local.io_simulator.simulator import Configuration, Simulator

__all__ = [
    "Citizen",
    "Configuration",
    "Fault",
    "RateLimit",
    "RunningSimulator",
    "Service",
    "Simulator",
    "running_simulator",
]
