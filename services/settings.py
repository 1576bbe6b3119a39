"""Settings: environment variables with the prefix ``SIGHTLINE_``, nested by two underscores.

``SIGHTLINE_BROKER__URL=kafka://localhost:9092`` sets ``settings.broker.url``. Durations say their unit in the name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from services.errors import InvalidInput

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # told apart, not bound


class Broker(BaseModel):
    """Which log."""

    url: str = Field(
        "embedded://.sightline/log", description="`embedded://PATH` or `kafka://HOST:PORT[,HOST:PORT]`"
    )
    prefix: str = Field("sightline", description="first part of every topic's name and of consumer groups")
    partitions: int = Field(
        16, ge=1, le=1024, description="partitions of the events topic; fixed once it exists"
    )
    patience_ms: int = Field(
        10_000,
        ge=100,
        description="an append to Kafka of which nothing is acknowledged for so long is given up (HTTP: 503)",
    )


class Database(BaseModel):
    """Where history and what people enter is kept."""

    url: str = Field(
        "sqlite+aiosqlite:///.sightline/sightline.sqlite",
        description="SQLAlchemy URL: `sqlite+aiosqlite:///PATH` or `postgresql+psycopg://USER@HOST/NAME`",
    )


class Api(BaseModel):
    """The HTTP server."""

    host: str = Field(
        "127.0.0.1", description="address to bind; another than loopback needs an API key first"
    )
    port: int = Field(8321, ge=0, le=65535, description="port; 0 picks a free one")
    max_body_bytes: int = Field(16 << 20, description="largest request body, after decompression")
    max_event_bytes: int = Field(128 << 10, description="largest single event, as JSON")
    stream_interval_ms: int = Field(250, description="changes on the live stream are coalesced for so long")

    @property
    def url(self) -> str:
        """Where this machine reaches it, whichever addresses it listens on."""
        host = _HERE.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class Intake(BaseModel):
    """How events become frames."""

    linger_ms: int = Field(5, description="how long a frame waits for more events")
    frame_events: int = Field(4000, description="events per frame at most")
    frame_bytes: int = Field(400 << 10, description="bytes per frame at most; records stay below 512 KiB")
    tick_ms: int = Field(1000, description="how often each partition is told the time")
    sources: dict[str, str] = Field(
        default_factory=dict,
        description='source topics to read, as JSON: `{"TOPIC": "SOURCE"}`, the CloudEvents source it stands for',
    )


class Processing(BaseModel):
    """The processors' cadence."""

    flush_ms: int = Field(50, description="how often OBSERVE sends partials and JUDGE sends values")
    linger_ms: int = Field(20, description="how long Kafka's producer waits for more to send together")
    snapshot_ms: int = Field(
        10_000, description="a partition's state is written so often, seldom when little came"
    )
    snapshot_bytes: int = Field(128 << 20, description="… or after so many bytes of input")
    stuck_ms: int = Field(
        120_000,
        ge=1_000,
        description="a processor or recorder that has not got on for so long, though records wait, ends (exit code 4)",
    )
    instance: str = Field(
        "", description="name of this worker in its group, kept over restarts; default: host and a number"
    )


class Settings(BaseSettings):
    """All settings, nested by part."""

    model_config = SettingsConfigDict(
        env_prefix="SIGHTLINE_",
        env_nested_delimiter="__",
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    broker: Broker = Broker()
    database: Database = Database()
    api: Api = Api()
    intake: Intake = Intake()
    processing: Processing = Processing()
    tenant: str = Field("default", description="the tenant that this installation serves")


def read_settings() -> Settings:
    """The settings of this process. Raises ``InvalidInput`` that names the variable which cannot be used."""
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise _unusable(error) from None


def _unusable(error: ValidationError | SettingsError) -> InvalidInput:
    if isinstance(error, SettingsError):
        return InvalidInput(f"a setting cannot be read: {error}", remedy="see `sightline config`")
    first = error.errors()[0]
    variable = "SIGHTLINE_" + "__".join(str(part).upper() for part in first["loc"])
    return InvalidInput(
        f"{variable}: {first['msg']}",
        field=variable,
        value=first["input"],
        remedy="see what it means with `sightline config`",
    )


class Entry(NamedTuple):
    """One setting, told to a person."""

    variable: str
    value: object
    is_default: bool
    description: str


def describe(settings: BaseModel, prefix: str = "SIGHTLINE_") -> list[Entry]:
    """Every setting with its environment variable; passwords in URLs are masked."""
    entries: list[Entry] = []
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            entries += describe(value, f"{prefix}{name.upper()}__")
        else:
            shown = re.sub(r"(://[^:/@]+:)[^@]+@", r"\1***@", str(value))
            default = value == info.get_default(call_default_factory=True)
            entries.append(Entry(f"{prefix}{name.upper()}", shown, default, info.description or ""))
    return entries
