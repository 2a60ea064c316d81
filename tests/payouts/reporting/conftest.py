"""A marketplace that may report: who it is stands in the settings."""

import pytest


@pytest.fixture(autouse=True)
def operator(settings) -> None:
    settings.PLATFORM_NAME, settings.PLATFORM_COUNTRY = "Marketplace SAS", "FR"
    settings.PLATFORM_TIN, settings.PLATFORM_VAT = "732829320", "FR44732829320"
    settings.PLATFORM_ADDRESS, settings.PLATFORM_DAC7_ID = "1 rue de la Paix, 75002 Paris", "FRDAC70001"
    settings.PLATFORM_EIN, settings.PLATFORM_PHONE = "12-3456789", "+1 212 555 0100"
