"""What the client and the server of `narrows.test.Echo` agree on; e2e/README.md describes it."""

SERVICE = "narrows.test.Echo"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
PATTERN = bytes(i % 251 for i in range(251 * 64))


def message(size):
    """`size` bytes whose content depends on their place, so that a shift or a loss shows."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]
