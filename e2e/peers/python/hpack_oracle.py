"""The hpack package, spoken to by lines: a second opinion on every header block.

Commands, one a line, and the answer to each, one a line:

    decode HEX              the fields of the block
    encode plain FIELD...   the block of the fields, in hexadecimal
    encode huffman FIELD... the same with Huffman coding
    allow SIZE              `ok`; the table that the peer's blocks may use from now on
    resize SIZE             `ok`; the table that our blocks use from now on

A field is NAME=VALUE in hexadecimal, with `!` behind it if it is never indexed. An error is `error: ...`.
"""

import sys

from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple


def written(field):
    return f"{field[0].hex()}={field[1].hex()}{'' if field.indexable else '!'}"


def read(word):
    kind = NeverIndexedHeaderTuple if word.endswith("!") else HeaderTuple
    name, value = word.rstrip("!").split("=")
    return kind(bytes.fromhex(name), bytes.fromhex(value))


def answer(decoder, encoder, words):
    match words:
        case ["decode", *block]:
            return " ".join(map(written, decoder.decode(bytes.fromhex("".join(block)), raw=True)))
        case ["encode", how, *fields]:
            return encoder.encode(list(map(read, fields)), huffman=how == "huffman").hex()
        case ["allow", size]:
            decoder.max_allowed_table_size = int(size)
        case ["resize", size]:
            encoder.header_table_size = int(size)
        case _:
            raise ValueError(words)
    return "ok"


def main():
    decoder, encoder = Decoder(max_header_list_size=1 << 20), Encoder()
    for line in sys.stdin:
        try:
            print(answer(decoder, encoder, line.split()), flush=True)
        except Exception as error:  # noqa: BLE001: whatever it is, the test shows it
            print(f"error: {error!r}", flush=True)


if __name__ == "__main__":
    main()
