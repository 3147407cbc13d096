"""Who did it, or whose it is: columns that name an actor, and tables of people."""

from __future__ import annotations

from engine.infer.words import Words, forms, words_of

_PEOPLE = frozenset(
    ["user", "person", "people", "employee", "staff", "member", "agent", "operator", "contact_person", "salesperson", "profile", "worker", "login", "admin", "benutzer", "mitarbeiter", "anwender", "usuario", "empleado", "persona", "utilisateur", "employe", "personne", "individual"]
)
_ROLES = frozenset(
    ["author", "creator", "created", "updated", "modified", "changed", "edited", "deleted", "removed", "approved", "approver", "approve", "reviewed", "reviewer", "review", "assignee", "assigned", "assign", "assignor", "invited", "inviter", "invite", "sender", "sent", "closed", "closer", "merged", "merger", "resolved", "resolver", "triggered", "requested", "requester", "requestor", "reporter", "reported", "editor", "uploaded", "uploader", "published", "publisher", "archived", "archiver", "locked", "completed", "cancelled", "canceled", "verified", "submitter", "submitted", "signed", "processed", "handled", "manager", "supervisor", "salesrep", "rep", "recorder", "performed", "performer", "entered", "actor", "initiator", "responsible", "responder", "moderator", "modifier", "updater", "deleter", "commenter", "poster", "posted", "last_editor", "receiver", "recipient", "issued", "issuer", "granted", "granter", "impersonator", "autor", "ersteller", "erstellt", "bearbeiter", "geaendert", "angelegt", "verantwortlich", "zustaendig", "creado", "creador", "modificado", "aprobado", "responsable", "cree", "modifie", "valid"]
)
_OWNERS = frozenset(["owner", "holder", "participant", "attendee", "recipient", "follower", "watcher", "subscriber"])
_THINGS = frozenset(
    ["number", "folder", "server", "customer", "header", "parameter", "filter", "layer", "provider", "container", "identifier", "register", "letter", "paper", "character", "computer", "router", "cluster", "supplier", "tracker", "vendor", "factor", "sensor", "trigger", "buffer", "voucher", "banner", "printer", "charter", "chapter", "master", "counter", "offer", "transfer", "order", "member", "partner", "newsletter", "carrier", "manufacturer", "retailer", "reseller", "broker", "dealer", "employer", "publisher", "career", "center", "centre", "cover", "driver", "feeder", "meter", "monitor", "motor", "folder", "former", "other", "parser", "marker"]
)
_BY = frozenset(["by", "von", "por", "par", "durch"])


def is_person(table: str) -> bool:
    """Whether a table's name says that its rows are people who act: users, employees, staff, …

    >>> is_person("auth_user"), is_person("user_settings"), is_person("people")
    (True, False, True)
    """
    words = words_of(table)
    return bool(words) and not forms(words[-1]).isdisjoint(_PEOPLE)


def names_an_actor(column: str) -> bool:
    """Whether a column's name says who did something: `author_id`, `created_by`, `assignee_id`.

    >>> names_an_actor("approved_by_id"), names_an_actor("user_id"), names_an_actor("customer_id")
    (True, False, False)
    """
    return names_a_role(words_of(column))


def names_a_role(words: Words) -> bool:
    """The same for words."""
    return says_by_whom(words) or any(w in _ROLES for w in words)


def says_by_whom(words: Words) -> bool:
    """`created_by`, `erstellt_von`."""
    return any(w in _BY for w in words[-2:])


def means_a_person(words: Words) -> bool:
    """Whether a column's words, without its marker, say who somebody is: an actor, an owner, whoever ends in -er, -or or -ee."""
    last = words[-2] if len(words) > 1 and words[-1] == "to" else words[-1]
    return (
        says_by_whom(words)
        or last in _ROLES
        or last in _OWNERS
        or (len(last) >= 6 and last.endswith(("er", "or", "ee")) and last not in _THINGS)
    )
