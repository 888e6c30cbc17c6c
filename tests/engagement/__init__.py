"""Whether engagement keeps what it promises."""
