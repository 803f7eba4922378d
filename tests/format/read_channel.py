#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints what a channel directory holds. Written from docs/format.md alone, and the proof that the
document is enough: it shares no code with the library.

usage: read_channel.py DIRECTORY
One line for each thing, in order:
  channel UUID page_size N max_messages N checksum 0|1 clean 0|1 claimed N voids N
  message PAGE SLOT HEX      a message and its bytes, - for an empty one
  void PAGE SLOT             claimed and given up
  open PAGE SLOT             claimed and not (or never) published
  damaged PAGE SLOT REASON
  group NAME N               messages that an auto group has still to receive
  group NAME N leased N returned N dead N
                             the same of an ack group; of these, leased and returned; dead letters
Exit: 0 read, 1 something is damaged, 2 not a channel that this program can read.
"""
import pathlib
import re
import struct
import sys

BLOCK = 4096
NO_PAGE = (1 << 64) - 1
PAGE_SPECIAL = (1 << 48) - 3  # BUSY, ABSENT, FREE
VOID = (1 << 32) - 1
KNOWN_INCOMPAT = 1
HANDLE_RX, HANDLE_ORPHAN = 3, 4
VERSION = 3
MODE_AUTO, MODE_ACK, HOLD_MAX = 0, 1, 2
NOBODY = 1023
DROP_OLDEST = 2


class NotReadable(Exception):
    pass


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def u64s(data, at, count):
    return struct.unpack_from(f"<{count}Q", data, at)


def round_up(n, unit=BLOCK):
    return (n + unit - 1) // unit * unit


class Superblock:
    """Section 3.1."""

    def __init__(self, block):
        if len(block) < BLOCK or block[:8] != b"QIRETRL1":
            raise NotReadable("not a quire channel")
        if u32(block, 8) != VERSION:
            raise NotReadable(f"format version {u32(block, 8)}")
        if u32(block, 4092) != crc32c(block[:4092]):
            raise NotReadable("checksum of a superblock")
        self.incompat = u32(block, 16)
        if self.incompat & ~KNOWN_INCOMPAT:
            raise NotReadable(f"features {self.incompat:#x}")
        self.uuid = block[24:40]
        self.page_size, self.frame_bytes, self.data_offset = u64s(block, 40, 3)
        self.max_messages = u32(block, 64)
        if u64(block, 152) != 0 and u32(block, 88) == DROP_OLDEST:
            raise NotReadable("a bound in a channel that drops")
        self.frames_cap = u32(block, 72)
        self.directory_size = u32(block, 76)
        self.handles = u32(block, 80)
        self.participants = u32(block, 84)
        (self.life_offset, self.directory_offset, self.handles_offset, self.participants_offset,
         self.claims_offset, self.control_bytes) = u64s(block, 96, 6)
        self.check_layout()

    def check_layout(self):
        size = 1
        while size <= 2 * self.frames_cap:
            size *= 2
        at = [12288]
        for length in (8 * self.frames_cap, 8 * size, 128 * self.handles, 64 * self.participants,
                       64 * self.frames_cap):
            at.append(at[-1] + round_up(length))
        data_offset = BLOCK + round_up(8 * self.max_messages)
        if (size, *at) != (self.directory_size, self.life_offset, self.directory_offset,
                           self.handles_offset, self.participants_offset, self.claims_offset,
                           self.control_bytes):
            raise NotReadable("layout of the control file")
        if (data_offset, data_offset + self.page_size) != (self.data_offset, self.frame_bytes):
            raise NotReadable("layout of a page file")


def read_superblock(control):
    copies, reasons = [], []
    for at in (0, BLOCK):
        try:
            copies.append((control[at:at + BLOCK], Superblock(control[at:at + BLOCK])))
        except NotReadable as reason:
            reasons.append(reason)
    if not copies:
        raise reasons[0]
    if len(copies) == 2 and copies[0][0] != copies[1][0]:
        raise NotReadable("the superblocks differ")
    if len(control) != copies[0][1].control_bytes:
        raise NotReadable("length of the control file")
    return copies[0][1]


class Page:
    """One page file that holds a page: section 4."""

    def __init__(self, sb, page_no, frame, data, claim):
        self.sb, self.page_no, self.frame, self.data, self.claim = sb, page_no, frame, data, claim
        self.tag = (page_no + 1) & 0xFFFFFFFF

    def slots_published(self):
        """One after the last: the claim word may be of before a crash of the machine."""
        words = u64s(self.data, BLOCK, self.sb.max_messages)
        return max((slot + 1 for slot, word in enumerate(words) if word >> 32 == self.tag),
                   default=0)

    def slots_claimed(self):
        seal = u64(self.data, 136)
        if seal >> 32 == self.tag:
            return min(seal & 0xFFFFFFFF, self.sb.max_messages), True
        claimed = self.claim & 0x1FFFF if self.claim >> 50 == self.page_no % 16383 else 0
        return min(max(claimed, self.slots_published()), self.sb.max_messages), False

    def entries(self):
        """(kind, slot, bytes or reason) for each slot claimed."""
        count, sealed = self.slots_claimed()
        words = u64s(self.data, BLOCK, count) if count else ()
        kinds = [self.entry(slot, word) for slot, word in enumerate(words)]
        if not sealed:  # claims that did not fit: slots at the end that are never published
            while kinds and kinds[-1][0] == "open" and self.beyond():
                kinds.pop()
        return kinds

    def beyond(self):
        return (self.claim & 0x1FFFF) > self.sb.max_messages or \
            (self.claim >> 17 & 0x1FFFFFFFF) * 8 > self.sb.page_size

    def entry(self, slot, word):
        if word >> 32 != self.tag:
            return "open", slot, b""
        offset = (word & 0xFFFFFFFF) * 8
        if word & 0xFFFFFFFF == VOID:
            return "void", slot, b""
        if offset + 8 > self.sb.page_size:
            return "damaged", slot, "offset"
        at = self.sb.data_offset + offset
        length, crc = struct.unpack_from("<II", self.data, at)
        if offset + 8 + length > self.sb.page_size:
            return "damaged", slot, "length"
        payload = self.data[at + 8:at + 8 + length]
        prefix = struct.pack("<QI", self.page_no << 16 | slot, length)
        if self.sb.incompat & 1 and crc != crc32c(prefix + payload):
            return "damaged", slot, "checksum"
        return "message", slot, payload


def check_frame(sb, frame, data):
    if len(data) != sb.frame_bytes or data[:8] != b"QIREPAG1" or u32(data, 8) != VERSION or \
            u32(data, 124) != crc32c(data[:124]):
        raise NotReadable(f"page file {frame:05}")
    identity = (u32(data, 12), data[16:32], u64(data, 32), u32(data, 40), u32(data, 44) * BLOCK)
    if identity != (frame, sb.uuid, sb.page_size, sb.max_messages, sb.data_offset):
        raise NotReadable(f"page file {frame:05} is of another channel")


def held_pages(root, sb, control):
    """Section 2, step 2: {page number: Page}."""
    life = u64s(control, sb.life_offset, sb.frames_cap)
    directory = u64s(control, sb.directory_offset, sb.directory_size)
    pages = {}
    for frame, word in enumerate(life):
        page_no = word >> 16
        if page_no >= PAGE_SPECIAL:
            continue
        data = (root / "pages" / f"{frame:05}.page").read_bytes()
        check_frame(sb, frame, data)
        entry = directory[page_no % sb.directory_size]
        rival = entry >> 16 == page_no and entry & 0xFFFF != frame
        if u64(data, 128) == page_no and not rival:
            claim = u64(control, sb.claims_offset + 64 * frame)
            pages[page_no] = Page(sb, page_no, frame, data, claim)
    return dict(sorted(pages.items()))


def own_pages(pages, kept):
    """Section 2, step 3: the page numbers without remains. kept: positions of messages."""
    own, page_no = {position >> 16 for position in kept}, max(pages, default=0)
    while page_no in pages:
        own.add(page_no)
        page_no -= 1
    return own


def resolve(low, hint):
    """The page number nearest to hint with these low 38 bits."""
    return min((base + low for base in (hint >> 38 << 38, (hint >> 38) + 1 << 38,
                                        max((hint >> 38) - 1, 0) << 38)),
               key=lambda page_no: abs(page_no - hint))


def claimed_parts(control, sb, group_id, head, tail):
    """Section 5.2: (first, end) of what members have claimed and not delivered."""
    high = min(u32(control, 8192 + 388), sb.handles)
    for index in range(high):
        at = sb.handles_offset + 128 * index
        if u32(control, at) & 0xFF not in (HANDLE_RX, HANDLE_ORPHAN):
            continue
        if u32(control, at + 8) != group_id:
            continue
        intent, following = u64s(control, at + 16, 2)
        count = intent >> 2 & 0xFF
        first = resolve(intent >> 26, tail) << 16 | (intent >> 10 & 0xFFFF)
        end = first + count
        owned = intent & 2 or ((intent >> 10) + count == head >> 10 and head & 1023 == index)
        if count and owned:
            yield (following if first <= following <= end else first), end


class Group:
    """One group file: section 5."""

    def __init__(self, sb, name, data):
        if len(data) < BLOCK or data[:8] != b"QIREGRP1" or u32(data, 8) != VERSION or \
                u32(data, 124) != crc32c(data[:124]) or data[16:32] != sb.uuid or \
                data[32:96].rstrip(b"\0").decode() != name or data[104] > MODE_ACK or \
                data[105] > HOLD_MAX or (data[104] == MODE_AUTO and len(data) != BLOCK):
            raise NotReadable(f"group file {name}")
        self.sb, self.name, self.data, self.mode = sb, name, data, data[104]

    def first(self, tail):
        """Section 5.2: the first position that nobody has claimed, and the page that the head
        gives up."""
        head = u64(self.data, 128)
        page_no, slot = resolve(head >> 26, tail), head >> 10 & 0xFFFF
        if slot != 65535:
            return page_no << 16 | slot, None
        return page_no + 1 << 16, page_no if head & 1023 == NOBODY else None

    def words(self, frame):
        """Section 5.3: the words of the frame's zone."""
        n = self.sb.max_messages
        count = (n + 15) // 16
        who_at = round_up(128 + 8 * count, 128)
        times_at = round_up(who_at + 8 * n)
        at = BLOCK + frame * (times_at + round_up(8 * n)) + 128
        return u64s(self.data[at:at + 8 * count].ljust(8 * count, b"\0"), 0, count)

    def states(self, pages, tail):
        """Section 5.4: {position: state} of what was claimed, is the group's and was not given
        up, of all pages that are held."""
        first, giving_up = self.first(tail)
        begin, given_up = u64(self.data, 280), u64(self.data, 288) >> 1
        if giving_up is not None:
            given_up = max(given_up, giving_up + 1)
        states = {}
        for page_no, page in pages.items():
            if page_no < given_up:
                continue
            words = self.words(page.frame)
            for slot in range(self.sb.max_messages):
                position, word = page_no << 16 | slot, words[slot // 16]
                if begin <= position < first:
                    ours = word >> 32 in (page.tag, page.tag ^ 0x80000000)
                    bits = word >> slot % 16 if ours else 0
                    states[position] = STATES[bits >> 16 & 1, bits & 1]
        return states


STATES = {(0, 0): "leased", (1, 0): "returned", (0, 1): "acknowledged", (1, 1): "dead"}


def groups(root, sb, control, pages, positions):
    """(line to print, positions of messages that it keeps) of each group, by name."""
    tail = u64(control, 8192)
    for path in sorted((root / "groups").iterdir()):
        match = re.fullmatch(r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,62})\.group", path.name)
        if not match:
            continue
        name = match.group(1)
        group = Group(sb, name, path.read_bytes())
        first, _ = group.first(tail)
        if group.mode == MODE_AUTO:
            parts = [(first, NO_PAGE), *claimed_parts(control, sb, u32(group.data, 12),
                                                      u64(group.data, 128), tail)]
            wanted = [position for position in positions
                      if any(low <= position < end for low, end in parts)]
            yield f"group {name} {len(wanted)}", wanted
            continue
        states = group.states(pages, tail)
        count = dict.fromkeys(STATES.values(), 0)
        for position in positions:
            if position in states:
                count[states[position]] += 1
        kept = [position for position in positions if position >= first or
                states.get(position, "acknowledged") != "acknowledged"]
        yield (f"group {name} {len(kept) - count['dead']} leased {count['leased']} "
               f"returned {count['returned']} dead {count['dead']}"), kept


def account(root, sb, control, pages):
    """Section 3.7: (slots ever claimed, of these void)."""
    tail, word = u64(control, 8192), u64(control, 8192 + 552)
    following = tail + 2 - (tail + 2 - word & 0xFFFF)
    claimed = (word >> 16) + sum(page.slots_claimed()[0] for page_no, page in pages.items()
                                 if page_no >= following)
    voids, fold_past = u64(control, 8192 + 512), u64(control, 8192 + 568)
    folding = u32(control, 8192 + 576)
    if folding:
        voids = u64(control, 8192 + 560)
    for path in (root / "pages").iterdir():
        data = path.read_bytes()
        past = fold_past if folding == int(path.stem) + 1 else u64(data, 160)
        now = u64(data, 168)
        voids += past >> 16
        if now and ((now >> 32) - 1 ^ past) & 0xFFFF == 0:
            voids += now & 0xFFFFFFFF
    return claimed, voids % (1 << 48)


def dump(root):
    control = (root / "control").read_bytes()
    sb = read_superblock(control)
    pages = held_pages(root, sb, control)
    claimed, voids = account(root, sb, control, pages)
    entries = {page_no: page.entries() for page_no, page in pages.items()}
    positions = [page_no << 16 | slot for page_no, row in entries.items()
                 for kind, slot, _ in row if kind == "message"]
    lines = list(groups(root, sb, control, pages, positions))
    own = own_pages(pages, (position for _, kept in lines for position in kept))
    print(f"channel {sb.uuid.hex()} page_size {sb.page_size} max_messages {sb.max_messages} "
          f"checksum {sb.incompat & 1} clean {u32(control, 8192 + 384)} "
          f"claimed {claimed} voids {voids}")
    damaged = 0
    for page_no in sorted(own):
        for kind, slot, content in entries[page_no]:
            if kind == "message":
                content = content.hex() or "-"
            damaged += kind == "damaged"
            print(" ".join(str(word) for word in (kind, page_no, slot, content) if word != b""))
    for line, _ in lines:
        print(line)
    return 1 if damaged else 0


def main():
    if len(sys.argv) != 2:
        print("usage: read_channel.py DIRECTORY", file=sys.stderr)
        return 2
    try:
        return dump(pathlib.Path(sys.argv[1]))
    except (NotReadable, OSError) as reason:
        print(f"{sys.argv[1]}: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
