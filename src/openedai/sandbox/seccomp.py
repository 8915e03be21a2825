"""The filter for system calls that users' code never needs and attacks begin with."""

from __future__ import annotations

import errno
import platform
import socket
import struct

# The numbers are those of each call on x86_64 and on aarch64; None where it does not exist.
_REFUSED: dict[str, tuple[int | None, int]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mbind": (237, 235),
    "memfd_create": (319, 279),  # memory that no limit of a process counts; so are the next ones
    "memfd_secret": (447, 447),
    "msgget": (68, 186),
    "semget": (64, 190),
    "shmget": (29, 194),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
_X86_ONLY = (154, 172, 173)  # modify_ldt, iopl, ioperm
_SOCKET = (41, 198)
_CLONE = (56, 220)
_CLONE3 = 435
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_X32 = 0x40000000
_NEW_USER = 0x10000000
# Codes of the kernel's filter language.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ERROR, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER, _ARCHITECTURE, _FIRST = 0, 4, 16  # the offsets of these, in bytes


def seccomp_filter() -> bytes | None:
    """The program for the kernel, for `bwrap --seccomp`; None on a machine whose numbers are not
    listed here.
    """
    found = _ARCHITECTURES.get(platform.machine())
    if found is None:
        return None
    architecture, column = found
    numbers = [one[column] for one in _REFUSED.values()]
    if column == 0:
        numbers += _X86_ONLY
    program = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        *_if(_AT_LEAST, _X32, errno.EPERM),
        *_if(_EQUAL, _CLONE3, errno.ENOSYS),  # its flags cannot be seen: libc uses clone instead
    ]
    for number in numbers:
        if number is not None:
            program += _if(_EQUAL, number, errno.EPERM)
    program += [
        _step(_EQUAL, _CLONE[column], no=3),
        _step(_LOAD, _FIRST),
        *_if(_ANY_BIT, _NEW_USER, errno.EPERM),
        _step(_LOAD, _NUMBER),
        _step(_EQUAL, _SOCKET[column], no=2 + len(_FAMILIES)),
        _step(_LOAD, _FIRST),
        *(_step(_EQUAL, family, yes=len(_FAMILIES) - at) for at, family in enumerate(_FAMILIES)),
        _step(_RETURN, _ERROR | errno.EAFNOSUPPORT),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _if(test: int, value: int, error: int) -> list[bytes]:
    return [_step(test, value, no=1), _step(_RETURN, _ERROR | error)]


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One step of the program; `yes` and `no` are how many steps a test skips."""
    return struct.pack("=HBBI", code, yes, no, value)
