"""Who may see the pages: this machine's own visitors, or those who have logged in.

What belongs here: telling them apart. What does not: passwords and logins, which are
Panel's own (``panel serve --basic-auth`` or ``--oauth-provider``). Started without an
address, ``panel serve`` listens on every network the machine is on.
"""

from __future__ import annotations

import ipaddress

import panel as pn

from ml.valuation.words import Words

NOT_HERE = Words(
    "Sidan visas bara på maskinen den körs på",
    "The page is shown only on the machine it runs on",
)
HOW_TO_SERVE = Words(
    "Den som vill nå den från en annan maskin startar den med inloggning: "
    "panel serve … --basic-auth LÖSENORD --cookie-secret HEMLIGHET.",
    "To reach it from another machine, start it with a login: "
    "panel serve … --basic-auth PASSWORD --cookie-secret SECRET.",
)


def is_allowed() -> bool:
    """Tell whether the page may be shown to whom it is being made for.

    Outside a server there is no visitor, and nothing to keep from anybody.
    """
    context = pn.state.curdoc.session_context if pn.state.curdoc else None
    request = getattr(context, "request", None)
    if request is None or is_login_required():
        return True
    return is_this_machine(request.remote_ip)


def is_login_required() -> bool:
    """Tell whether Panel lets nobody in who has not logged in."""
    return bool(pn.config.basic_auth or pn.config.oauth_provider)


def is_this_machine(remote_ip: str) -> bool:
    """Tell whether a visitor's address is one of this machine's own (loopback).

    What is no address is a Unix socket's, which only this machine has.
    """
    try:
        return ipaddress.ip_address(remote_ip).is_loopback
    except ValueError:
        return True
