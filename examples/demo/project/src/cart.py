"""A shopping cart. Amounts are whole cents, so that sums are exact."""


class Cart:
    """What a customer wants to buy."""

    def __init__(self):
        self.lines = []

    def add(self, name, price, quantity=1):
        """Adds `quantity` pieces at `price` cents each."""
        if quantity < 1:
            raise ValueError("quantity must be at least 1")
        self.lines.append((name, price, quantity))

    def total(self):
        """The sum in cents."""
        return sum(price * quantity for _, price, quantity in self.lines)


def receipt(cart):
    """The cart as lines of text, the total last."""
    rows = [f"{quantity} x {name}: {cents(price * quantity)}" for name, price, quantity in cart.lines]
    return "\n".join([*rows, f"total: {cents(cart.total())}"])


def cents(amount):
    """`1234` as `12.34`."""
    return f"{amount // 100}.{amount % 100:02d}"
