"""Words that say something of a column or a table, whatever the schema: markers of keys, people, roles, strangers."""

from __future__ import annotations

# Ends and beginnings of a column's name that say "this is a key of something".
MARKERS = frozenset(
    """
    id ids uuid guid fk key pk oid ref sk gid rowid uid
    """.split()
)

# Ends that may say so.
WEAK_MARKERS = frozenset(
    """
    code cd no nr nbr num number nummer numero name slug sid idx
    """.split()
)

# Words that are the same in singular and plural, or end in s in singular.
UNCHANGED = frozenset(
    """
    news series species status address access process business class bus gas lens analysis basis staff data vies sms
    """.split()
)

# Tables of people who act.
PEOPLE = frozenset(
    """
    user person people employee staff member agent operator contact_person salesperson profile worker login admin benutzer mitarbeiter
    anwender usuario empleado persona utilisateur employe personne individual
    """.split()
)

# Columns that say who did something.
ROLES = frozenset(
    """
    author creator created updated modified changed edited deleted removed approved approver approve reviewed reviewer review assignee
    assigned assign assignor invited inviter invite sender sent closed closer merged merger resolved resolver triggered requested
    requester requestor reporter reported editor uploaded uploader published publisher archived archiver locked completed cancelled
    canceled verified submitter submitted signed processed handled manager supervisor salesrep rep recorder performed performer entered
    actor initiator responsible responder moderator modifier updater deleter commenter poster posted last_editor receiver recipient
    issued issuer granted granter impersonator autor ersteller erstellt bearbeiter geaendert angelegt verantwortlich zustaendig creado
    creador modificado aprobado responsable cree modifie valid create write update modify delete
    """.split()
)

# Columns that say who has something.
OWNERS = frozenset(
    """
    head substitute assistant owner holder participant attendee recipient follower watcher subscriber
    """.split()
)

# Words in -er, -or, -ee that are no people.
THINGS = frozenset(
    """
    predecessor successor ancestor number folder server customer header parameter filter layer provider container identifier register letter paper character computer
    router cluster supplier tracker vendor factor sensor trigger buffer voucher banner printer charter chapter master counter offer
    transfer order member partner newsletter carrier manufacturer retailer reseller broker dealer employer publisher career center
    centre cover driver feeder meter monitor motor former other parser marker mapper authenticator
    backorder
    """.split()
)

# Words that say so alone, without a marker.
NOUNS = frozenset(
    """
    author creator owner assignee reporter approver reviewer requester submitter uploader orderer assignor inviter
    """.split()
)

# "by" in some languages.
BY = frozenset(
    """
    by von por par durch
    """.split()
)

# Ends of table names that say nothing.
NOISE = frozenset(
    """
    entity entities table tbl tab mst master hdr
    """.split()
)

# Keys of somebody else's system.
FOREIGN = frozenset(
    """
    external ext remote foreign stripe paypal braintree adyen gocardless xero netsuite hubspot salesforce shopify google github gitlab
    facebook twitter slack twilio aws apple azure auth0 okta saml ldap provider legacy upstream webhook session trace request
    correlation idempotency
    """.split()
)

# Words that a column without a marker has for other reasons than a table of that name.
NO_TABLE = frozenset(
    """
    order version position level state rank sort priority number size date time value score total amount duration age year month day
    hour rate type name title description text code count index limit weight height width length color note notes comment message
    content body data status
    """.split()
)

# What is said of another row of the same table.
SELF = frozenset(
    """
    parent ancestor root superior super original previous next predecessor successor master replaced replaces duplicate supersedes padre
    pere uebergeordnet
    """.split()
)

# Whom a person reports to.
ABOVE = frozenset(
    """
    manager supervisor boss reports superior chief vorgesetzter jefe
    """.split()
)

# Words behind a table's name that say in which role.
SIDES = frozenset(
    """
    from to a b source target old new parent child src dst default item pack
    """.split()
)

# What is so for the time being: no owner by it.
FOR_NOW = frozenset(
    """
    current default active last selected preferred recent latest home favorite favourite
    """.split()
)

# Ends of tables that hold texts of another.
TRANSLATIONS = frozenset(
    """
    lang langs translation translations i18n l10n text texts locale locales shop
    """.split()
)

# Words before a table's name that say in which role a row of it is meant.
ROLE_WORDS = frozenset(
    """
    billing shipping delivery invoice invoicing mailing postal legal parent child source target from to old new default primary
    secondary main original origin destination current previous prev next last first final initial root home local remote base master
    related linked own owner owning managing manager sales account assigned responsible internal sub alternative alternate alt backup
    fallback preferred replaced replacing replacement duplicate merged starting ending start end pickup dropoff buyer seller sender
    receiver recipient payer payee host guest requester reviewer author creator lead credit debit left right upper lower top bottom
    outer inner other another same latest recent active favorite away
    """.split()
)

# Words that may be left out to find the table.
LIKELY = frozenset(
    """
    default new old current last first initial final previous next latest
    """.split()
)

# Modules whose tables all others use.
BASE = frozenset(
    """
    auth res base core common main sys system app users public shared admin account accounts identity
    """.split()
)

# What is done by things, not by people: blocked_by another row.
BY_THINGS = frozenset("blocked caused replaced superseded followed preceded covered paid backed".split())

# Verbs that, before to, from, of or into, are said of another row of the same table: moved_to, variant_of.
OF_THE_SAME = frozenset(
    """
    reply replied reverses reversed moved duplicated duplicate inherit inherited merged copied cloned forked variant amended split derived credit return
    converted renewed supersedes replaces
    """.split()
)
