"""Debian's suites: which there are, which one this machine is, and where their packages come from."""

import re
import subprocess
from pathlib import Path

from cache import ImageError

# As VERSION_CODENAME of /etc/os-release has them, the oldest first.
SUITES = ("bookworm", "trixie", "forky")
DEFAULT = "trixie"

DEBIAN = re.compile(r"\S+/debian(-security)?/?(\s|$)")
ONE_LINE = re.compile(r"(deb\s+(?:\[[^]]*\]\s+)?\S+\s+)(\S+)(.*)", re.S)
# How this machine reaches its mirror; one that is kept as it was has old signatures.
SETTINGS = re.compile(r'Acquire::(?:https?::Proxy[\w.:-]*|Check-Valid-Until) ".*";')
FIELD = r"^{}:[ \t]*(.*(?:\n[ \t#].*)*)"


def checked(name: str) -> str:
    if name not in SUITES:
        raise ImageError(f"no suite '{name}'; there are: {', '.join(SUITES)}")
    return name


def of_this_machine() -> str:
    """The suite whose programs run here; none of ours, maybe."""
    match = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    return match[1] if match else ""


def renamed(name: str, wanted: str) -> str | None:
    """What the machine's suite `name` is called in the wanted one: bookworm-security →
    trixie-security. Backports and the like are left out."""
    match = re.fullmatch(r"\w+(-updates|-security)?", name)
    return wanted + (match[1] or "") if match else None


def stanza(text: str, wanted: str) -> str | None:
    """A stanza of a .sources file with the suites renamed, None if nothing of it is of use."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    suites = re.search(FIELD.format("Suites"), plain, re.M | re.I)
    types = re.search(FIELD.format("Types"), plain, re.M | re.I)
    if not DEBIAN.search(plain) or not suites or not types or "deb" not in types[1].split():
        return None
    names = dict.fromkeys(filter(None, (renamed(name, wanted) for name in suites[1].split())))
    if not names:
        return None
    kept = plain.replace(suites[0], f"Suites: {' '.join(names)}")
    return kept.replace(types[0], "Types: deb")


def line(text: str, wanted: str) -> str | None:
    """The same for a line of sources.list."""
    match = ONE_LINE.fullmatch(text.strip())
    name = renamed(match[2], wanted) if match and DEBIAN.search(text) else None
    return f"{match[1]}{name}{match[3]}" if name else None


def sources(wanted: str, directory: Path, apt: Path = Path("/etc/apt")) -> list[Path]:
    """The machine's apt sources for the wanted suite, as files in `directory`, without those of any
    vendor but Debian."""
    written = []
    for file in [*sorted(apt.glob("sources.list.d/*.sources")), apt / "sources.list",
                 *sorted(apt.glob("sources.list.d/*.list"))]:
        if not file.exists():
            continue
        if file.suffix == ".sources":
            parts = [stanza(part, wanted) for part in re.split(r"\n\s*\n", file.read_text())]
            separator = "\n\n"
        else:
            parts = [line(part, wanted) for part in file.read_text().splitlines()]
            separator = "\n"
        kept = list(dict.fromkeys(filter(None, parts)))
        if kept:
            copy = directory / file.name
            copy.write_text(separator.join(kept) + "\n")
            written.append(copy)
    if not written:
        raise ImageError(f"no source of Debian's packages in {apt}/sources.list or below "
                         f"{apt}/sources.list.d to take {wanted} from; name a mirror there")
    return written


def apt_config() -> str:
    return subprocess.run(["apt-config", "dump"], check=True, stdout=subprocess.PIPE, text=True).stdout


def settings(shown: str) -> list[str]:
    """Those of a machine's apt settings without which its sources cannot be used."""
    return [line for line in shown.splitlines() if SETTINGS.fullmatch(line)]
