"""All tables of docs/compatibility.md, and their rows."""

from __future__ import annotations

from tests.docs.apis.compatibility.assistant_tables import ASSISTANT_TABLES
from tests.docs.apis.compatibility.bodies import Table, Tables
from tests.docs.apis.compatibility.file_tables import FILE_TABLES
from tests.docs.apis.compatibility.job_tables import JOB_TABLES
from tests.docs.apis.compatibility.legacy_tables import LEGACY_TABLES
from tests.docs.apis.compatibility.media_tables import MEDIA_TABLES
from tests.docs.apis.compatibility.organization_tables import ORGANIZATION_TABLES
from tests.docs.apis.compatibility.text_tables import OTHER_SERVERS, TEXT_TABLES
from tests.docs.pages import section, tables

PAGE = "docs/compatibility.md"

TABLES: Tables = {
    **TEXT_TABLES,
    **FILE_TABLES,
    **ASSISTANT_TABLES,
    **JOB_TABLES,
    **MEDIA_TABLES,
    **LEGACY_TABLES,
    **OTHER_SERVERS,
    **ORGANIZATION_TABLES,
}


def rows(table: Table) -> list[list[str]]:
    return tables(section(PAGE, table[0]))[table[1]]


def documented(table: Table, *statuses: str) -> list[str]:
    return [row[0].strip("`") for row in rows(table) if row[1] in statuses]


def cases(*statuses: str) -> list[tuple[Table, str]]:
    return [(table, name) for table in TABLES for name in documented(table, *statuses)]
