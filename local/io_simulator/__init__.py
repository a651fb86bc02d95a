"""A stateful simulator of PagoPA's IO API, for tests, load tests and the local demo.

`python -m local.io_simulator [--port P] [--keys NAME=KEY,...] [--rate-limit 150/5] [--processing-delay S]`
serves it on 127.0.0.1; `running_simulator()` runs it inside a test.

It answers as the public specifications (Messages API 2.1.9, functions-services 4.1.1 for profiles) and the
code behind them do, including what the specifications leave out (404 at the submission, 400 and 500 at the
reading). Simplified: the subscriptions feed, the remote content and the services APIs are absent.

Under `/api/v1`, with a key in `Ocp-Apim-Subscription-Key`:
    POST /profiles, GET /profiles/{fiscal_code}                   operation `get_profile`
    POST /messages, POST /messages/{fiscal_code}                  operation `submit_message`
    GET /messages/{fiscal_code}/{id}                              operation `get_message`

With IO_SIMULATOR_JOURNAL set to a file, each call and its answer are a line of JSON there (journal.py).

Two clocks. The rate limit counts in real time. Processing, reading and paying follow a simulated clock: real
time plus what `POST /simulator/clock` has added.

Control, under `/simulator`: no key, no rate limit, JSON. A wrong body gets a 400 that names field and rule.

    GET, POST /simulator/clock       {"advance_seconds": 3600}; both answer {"now": instant}
    POST /simulator/citizens         {fiscal code or "default": script, ...}
        "default" is every valid fiscal code without a script. A script replaces the previous one, counts for
        the messages already accepted too, and has these fields, all optional:
        on_io, inbox_enabled         true; false answers 404 to the profile call and REJECTED afterwards
        sender_allowed               true | false | {service: bool}; services not named are allowed
        blocks_after_seconds         blocks every service, so long after the script was given; null: never
        preferred_languages          ["it_IT"]; null leaves the field out of the answer
        reads_after_seconds          60 after acceptance, never before processing; null: never
        pays_after_seconds           120 after acceptance; null: never
        read_status_unavailable      [{"from_seconds": 0, "to_seconds": null}, ...] after acceptance; [{}] is
                                     an old app, or a citizen who denied it
        processing_outcome           REJECTED | FAILED; null: what the citizen's state says
        pagopa_fails_first_gets      0; so many GETs of each message fail, since pagoPA does not answer IO
        pagopa_fails                 spans as above
    POST /simulator/services         {service: {"keys": [...], ...}}: adds or replaces services
        account                      "institution"; services of one account share the rate limit
        groups                       IO's own names, by default all but the reserved ones: without
                                     ApiMessageWriteAdvanced it is not Premium, with ApiLimitedMessageWrite
                                     it is a limited account and reaches its authorized_recipients only
        authorized_recipients, authorized_cidrs, max_allowed_payment_amount (cents, 1000000),
        organization_fiscal_code (the payee of its payments), configuration_ids (its remote contents)
    POST /simulator/keys             {service: [keys]}: the keys that are valid from now on; [] revokes
    GET, POST, DELETE /simulator/faults   GET tells those left, POST appends a list, DELETE clears. A fault:
        operation                    one of the three above or "any"
        kind                         429 | 500_before | 502_before | 503_before (no effect) | 500_after |
                                     502_after (effect, then the error) | hang (no effect, no answer) |
                                     accept_then_hang (effect; answers after `seconds`, or never) |
                                     reset_before | reset_after (TCP reset) | half_response (effect) |
                                     slow (`seconds`, then the effect) | accept_without_id (201 without id)
        count                        how many calls it hits; 1, or no end if `probability` is given
        probability, seed            hits a call with this probability, the same ones for the same seed
        after                        0; so many calls pass untouched first
        seconds                      for slow, accept_then_hang, and 429 (the wait it asks for)
        The first fault in the queue that hits a call is the only one. Calls refused for their key or for
        the rate meet none.
    GET /simulator/messages          {"count", "messages"} in order of acceptance, with content, key, status;
                                     filters: id, service, fiscal_code, subject, feature_level_type, key
    GET /simulator/calls             {"operations": {operation: {"received", "answered": {status: n}}},
                                     "busiest_window": most calls of one account within the limit's period}
    POST /simulator/reset            back to how it was started
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
