"""Where alerts go: a webhook, and mail.

What belongs here: sending one message, and saying in one line why it could not be sent,
without any secret. What does not: what is told and when (``alerts``).
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.request
from dataclasses import dataclass
from email.message import EmailMessage
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Protocol
from urllib.error import HTTPError, URLError

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.settings import Settings


class SendError(SlutprisError):
    """An alert could not be sent; the message holds no secret."""


class Channel(Protocol):
    """A way to tell people."""

    @property
    def name(self) -> str:
        """``webhook`` or ``mail``, as the outbox knows it."""
        ...

    def send(self, message: Mapping[str, Any]) -> None:
        """Send it.

        Raises
        ------
        SendError
            When it was not taken.
        """
        ...


@dataclass(frozen=True)
class Webhook:
    """JSON by HTTP POST; the field ``text`` is what Slack and its like show."""

    settings: Settings
    name: str = "webhook"

    def send(self, message: Mapping[str, Any]) -> None:
        """Post it; only an answer of 2xx counts as taken."""
        address = self.settings.alert_webhook.get_secret_value()
        if not address.startswith(("https://", "http://")):
            raise SendError(
                "SLUTPRIS_ALERT_WEBHOOK is no address that begins with https:// or "
                "http://; mend it"
            )
        body = json.dumps(message, ensure_ascii=False).encode()
        try:
            request = urllib.request.Request(
                address, body, {"Content-Type": "application/json; charset=utf-8"}
            )
            with urllib.request.urlopen(request, timeout=self.settings.alert_timeout_s):
                pass
        except (OSError, HTTPException, ValueError) as error:
            raise SendError(f"the webhook did not take it: {_reason(error)}") from None


@dataclass(frozen=True)
class Mail:
    """Plain text by SMTP."""

    settings: Settings
    name: str = "mail"

    def send(self, message: Mapping[str, Any]) -> None:
        """Hand it to the mail server."""
        settings = self.settings
        try:
            with self._connection() as server:
                if settings.smtp_security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if settings.smtp_user:
                    password = settings.smtp_password.get_secret_value()
                    server.login(settings.smtp_user, password)
                server.send_message(_mail(message, settings))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise SendError(
                f"the mail server {settings.smtp_host}:{settings.smtp_port} did not "
                f"take it: {_reason(error)}"
            ) from None

    def _connection(self) -> smtplib.SMTP:
        where = self.settings.smtp_host, self.settings.smtp_port
        timeout_s = self.settings.alert_timeout_s
        if self.settings.smtp_security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(*where, timeout=timeout_s, context=context)
        return smtplib.SMTP(*where, timeout=timeout_s)


def channels(settings: Settings) -> list[Channel]:
    """Give the channels that are switched on; none by default."""
    found: list[Channel] = []
    if settings.alert_webhook.get_secret_value():
        found.append(Webhook(settings))
    if settings.alert_mail_to:
        found.append(Mail(settings))
    return found


def _mail(message: Mapping[str, Any], settings: Settings) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = f"[Slutpris] {' '.join(message['title'].split())}"
    mail["From"] = settings.alert_mail_from
    mail["To"] = settings.alert_mail_to
    mail.set_content(message["text"])
    return mail


def _reason(error: Exception) -> str:
    """Say why, in words that quote neither an address nor what was logged in with."""
    match error:
        case HTTPError():
            return f"HTTP {error.code}"
        case URLError(reason=Exception() as reason):
            return _reason(reason)
        case smtplib.SMTPResponseException():
            return f"SMTP {error.smtp_code}"
        case TimeoutError():
            return "no answer in time"
        case OSError() if error.strerror:
            return error.strerror
    return type(error).__name__
