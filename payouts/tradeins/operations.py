"""The verbs of this room: the door for everybody else."""

from payouts.tradeins.agreeing import agree_trade_in, cancel_trade_in, open_request
from payouts.tradeins.following import follow_trade_ins
from payouts.tradeins.inspecting import accept_trade_in, approve_trade_in, receive_trade_in, refuse_trade_in, send_back_trade_in
from payouts.tradeins.withdrawing import withdraw_trade_in

__all__ = [
    "accept_trade_in",
    "agree_trade_in",
    "approve_trade_in",
    "cancel_trade_in",
    "follow_trade_ins",
    "open_request",
    "receive_trade_in",
    "refuse_trade_in",
    "send_back_trade_in",
    "withdraw_trade_in",
]
