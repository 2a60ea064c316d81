"""Exposure: what each seller could cost us, night by night, with thresholds that raise cases."""
