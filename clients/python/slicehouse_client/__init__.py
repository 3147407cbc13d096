"""The API of Slicehouse from Python.

>>> with Slicehouse("https://analytics.example.com", key="shk_…") as client:
...     client.for_tenant("42").dashboards.panel("sales", "revenue", region=["EMEA"]).rows
"""

from slicehouse_client.client import Slicehouse
from slicehouse_client.connection import Connection, Resource, Retries
from slicehouse_client.data import Column, Data
from slicehouse_client.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ChecksumError,
    ConflictError,
    FieldError,
    ForbiddenError,
    LimitError,
    MissingExtra,
    NotFoundError,
    SecretLost,
    ServerError,
    SlicehouseError,
    TransportError,
    UnavailableError,
    UnexpectedAnswer,
)
from slicehouse_client.refreshes import Event
from slicehouse_client.tenants import BatchLine
from slicehouse_client.tokens import SigningKey, mint
from slicehouse_client.version import __version__

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BadRequestError",
    "BatchLine",
    "ChecksumError",
    "Column",
    "ConflictError",
    "Connection",
    "Data",
    "Event",
    "FieldError",
    "ForbiddenError",
    "LimitError",
    "MissingExtra",
    "NotFoundError",
    "Resource",
    "Retries",
    "SecretLost",
    "ServerError",
    "SigningKey",
    "Slicehouse",
    "SlicehouseError",
    "TransportError",
    "UnavailableError",
    "UnexpectedAnswer",
    "__version__",
    "mint",
]
