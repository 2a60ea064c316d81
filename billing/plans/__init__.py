"""What can be subscribed to: plans, immutable versions of their prices, coupons. Pure in it: periods and rating."""
