import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "src"))

from cart import Cart, receipt


class CartTest(unittest.TestCase):
    def setUp(self):
        self.cart = Cart()
        self.cart.add("tea", 450, 2)
        self.cart.add("cup", 1250)

    def test_the_total_is_the_sum_of_all_lines(self):
        self.assertEqual(self.cart.total(), 2150)

    def test_a_quantity_below_one_is_refused(self):
        with self.assertRaises(ValueError):
            self.cart.add("air", 1, 0)

    def test_the_receipt_ends_with_the_total(self):
        self.assertEqual(receipt(self.cart), "2 x tea: 9.00\n1 x cup: 12.50\ntotal: 21.50")


if __name__ == "__main__":
    unittest.main()
