"""Configure the project from the environment, in reading order.

Identity, apps, database, time, security, money, rails, screening, queues, admin, API, logging. Nothing secret has a default here: the
embedded runtime writes its own secrets into the data folder, everybody else sets them.
"""

import os
import sys
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- identity -----------------------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ENVIRONMENT_LABEL = env("ENVIRONMENT_LABEL", default="Sandbox")
DATA_DIR = Path(env("BACKOFFICE_DATA", default=str(BASE_DIR / "var"))).resolve()
ROOT_URLCONF = "backoffice.urls"
WSGI_APPLICATION = "backoffice.wsgi.application"
ASGI_APPLICATION = "backoffice.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- apps ---------------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "backoffice.desk.site.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_celery_beat",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "backoffice.apps.BackofficeConfig",
    "payouts.apps.PayoutsConfig",
    "billing.apps.BillingConfig",
    "fraud.apps.FraudConfig",
    *env.list("EXTRA_APPS", default=[]),  # tools of the developers, such as the migration linter
]

MIDDLEWARE = [
    "billing.webhooks.door.Door",
    "django.middleware.security.SecurityMiddleware",
    "backoffice.kit.middleware.StaticFiles",
    "backoffice.kit.middleware.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "backoffice.kit.middleware.StaffTimeZoneMiddleware",
    "backoffice.kit.middleware.ViewerMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- database -----------------------------------------------------------------------------------------------------------
# Two roles: one migrates and owns the tables, one works and may neither update nor delete ledger rows. Where only one URL
# is given, it serves as both and a system check says so.
OWNER_COMMANDS = {"migrate", "bench", "test", "flush", "sqlmigrate", "createcachetable", "pgtrigger", "dbshell"}
DATABASE_APP_ROLE = env("DATABASE_APP_ROLE", default="backoffice_app")
_works_as_owner = env("BACKOFFICE_DB_ROLE", default="app") == "owner" or (len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS)
_url_variable = "DATABASE_OWNER_URL" if _works_as_owner and "DATABASE_OWNER_URL" in os.environ else "DATABASE_URL"
DATABASES = {"default": env.db_url(_url_variable, default="postgresql:///backoffice")}
DATABASES["default"]["ATOMIC_REQUESTS"] = False
DATABASES["default"].setdefault("OPTIONS", {})
# Timeouts bound every wait: a statement of the web or a worker that runs longer is a defect (reliability.md F14); long jobs raise theirs.
DATABASES["default"]["OPTIONS"].setdefault(
    "options", "-c lock_timeout=10s -c idle_in_transaction_session_timeout=120s -c timezone=UTC"
)
CONN_MAX_AGE_SECONDS = env.int("CONN_MAX_AGE", default=0)
if env.bool("DB_POOL", default=False):
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": env.int("DB_POOL_SIZE", default=8)}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = CONN_MAX_AGE_SECONDS
PGTRIGGER_MIGRATIONS = True
# Several test runs on one server need databases of their own.
DATABASES["default"]["TEST"] = {"NAME": env("TEST_DATABASE_NAME", default="test_backoffice")}

# --- time and language --------------------------------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
STAFF_TIME_ZONE = env("STAFF_TIME_ZONE", default="Europe/Paris")
LANGUAGE_CODE = "en"
USE_I18N = False

# --- security -----------------------------------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["backoffice.staff.backends.LockOutBackend"]
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_COOKIES = env.bool("SECURE_COOKIES", default=False)
SESSION_COOKIE_SECURE = SECURE_COOKIES
CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=0)
X_FRAME_OPTIONS = "DENY"
# Alpine (inside Unfold) needs unsafe-eval and inline styles; API and documents stay strict through their own decorators.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'self'"],
    }
}
# Key ring of the encrypted fields: "id:base64key,id:base64key"; the first encrypts, all decrypt.
FIELD_KEYS = env("FIELD_KEYS", default="")
BLIND_INDEX_KEY = env("BLIND_INDEX_KEY", default="")

# --- money --------------------------------------------------------------------------------------------------------------
CURRENCIES = env.list("CURRENCIES", default=["EUR", "USD", "GBP", "JPY", "CHF", "SEK", "DKK", "PLN", "TND"])
APPROVAL_LIFETIME_DAYS = env.int("APPROVAL_LIFETIME_DAYS", default=30)
# A run above this in any currency asks its approver to type the total; 0 never asks.
STEP_UP_LIMIT_MINOR = env.int("STEP_UP_LIMIT_MINOR", default=100_000_000)

# --- rails --------------------------------------------------------------------------------------------------------------
# The bank account payouts leave from, per rail and currency. Data, not code: bank profiles live in payouts/rails.
PLATFORM_NAME = env("PLATFORM_NAME", default="Marketplace SAS")
PLATFORM_IBAN = env("PLATFORM_IBAN", default="FR7630006000011234567890189")
# Our other bank accounts, by IBAN or as their bank names them: their statements are ours too, each booked apart.
PLATFORM_ACCOUNTS = env.list("PLATFORM_ACCOUNTS", default=[])
PLATFORM_BIC = env("PLATFORM_BIC", default="AGRIFRPPXXX")
PLATFORM_COUNTRY = env("PLATFORM_COUNTRY", default="FR")
PLATFORM_TOWN = env("PLATFORM_TOWN", default="Paris")
# Who reports to tax authorities: numbers and address of the marketplace, its DAC7 registration, its EIN and telephone for Form 1099-K.
PLATFORM_TIN = env("PLATFORM_TIN", default="")
PLATFORM_ADDRESS = env("PLATFORM_ADDRESS", default="")
PLATFORM_DAC7_ID = env("PLATFORM_DAC7_ID", default="")
PLATFORM_EIN = env("PLATFORM_EIN", default="")
PLATFORM_PHONE = env("PLATFORM_PHONE", default="")
# Elsewhere messages are marked as test data, which an authority never takes for a report.
TAX_REPORTS_ARE_REAL = ENVIRONMENT_LABEL.lower() in ("live", "production")
PLATFORM_VAT_NUMBER = env("PLATFORM_VAT_NUMBER", default="FR83404833048")
# The Commission's look-up of VAT numbers; empty asks nobody, and every number is "not checked".
VIES_URL = env("VIES_URL", default="")
VIES_TIMEOUT_SECONDS = env.float("VIES_TIMEOUT_SECONDS", default=10.0)
BANK_PROFILE = env("BANK_PROFILE", default="generic-sepa")
LEASE_SECONDS = env.float("LEASE_SECONDS", default=60.0)
# Trade-ins, in minor units by currency: the most one device costs, and up to how much one person accepts for a consumer within 30 days. A currency
# that is not named buys nothing, or always takes two people.
_IN_MINOR = {"value": int}
TRADE_IN_MOST_MINOR = env.dict(
    "TRADE_IN_MOST_MINOR", cast=_IN_MINOR, default={"EUR": 200_000, "USD": 200_000, "GBP": 200_000, "JPY": 300_000}
)
TRADE_IN_ALONE_MINOR = env.dict(
    "TRADE_IN_ALONE_MINOR", cast=_IN_MINOR, default={"EUR": 50_000, "USD": 50_000, "GBP": 50_000, "JPY": 80_000}
)
RAIL_BY_CURRENCY = env.dict("RAIL_BY_CURRENCY", default={"EUR": "sepa"})
DEFAULT_RAIL = env("DEFAULT_RAIL", default="sandbox")
# The sandbox rail's provider: empty is a file in the data folder, a URL is a process of its own. The lag is how long an accepted payment may
# stay invisible to its look-up.
SANDBOX_PROVIDER_URL = env("SANDBOX_PROVIDER_URL", default="")
SANDBOX_VISIBILITY_LAG_SECONDS = env.float("SANDBOX_VISIBILITY_LAG_SECONDS", default=0.0)
BANK_FILE_MAX_BYTES = env.int("BANK_FILE_MAX_BYTES", default=50 * 1024 * 1024)

# --- payment gateways ---------------------------------------------------------------------------------------------------
# Without a key of Stripe's, cards are charged by the fake, and the desk says so.
STRIPE_SECRET_KEY = env("STRIPE_SECRET_KEY", default="")
STRIPE_API_BASE = env("STRIPE_API_BASE", default="")
STRIPE_READ_SECONDS = env.float("STRIPE_READ_SECONDS", default=20.0)
CARD_GATEWAY = env("CARD_GATEWAY", default="")
# --- events of the card provider ------------------------------------------------------------------------------------------
# Signing secrets of the endpoint, the current one first; during a rotation the previous one stays until the provider has dropped it. Without
# one there is no endpoint. Events of the other mode, or of another account than STRIPE_ACCOUNT (where set), are refused.
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
STRIPE_LIVEMODE = env.bool("STRIPE_LIVEMODE", default=False)
STRIPE_ACCOUNT = env("STRIPE_ACCOUNT", default="")

# --- screening ----------------------------------------------------------------------------------------------------------
# Who is asked whether a party is on a list: the index in this process, or a yente server.
SCREENING_PROVIDER = env("SCREENING_PROVIDER", default="index")
SCREENING_LIST_MAX_BYTES = env.int("SCREENING_LIST_MAX_BYTES", default=512 * 1024 * 1024)
YENTE_URL = env("YENTE_URL", default="http://localhost:8001")
YENTE_DATASET = env("YENTE_DATASET", default="sanctions")
YENTE_TIMEOUT_SECONDS = env.float("YENTE_TIMEOUT_SECONDS", default=5.0)

# --- queues -------------------------------------------------------------------------------------------------------------
BROKER_URL = env("BROKER_URL", default="memory://")
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# --- files --------------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
MEDIA_ROOT = DATA_DIR / "media"
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG
DOCUMENT_STORAGE = env("DOCUMENT_STORAGE", default="")
try:
    DOCUMENT_STORAGE_OPTIONS = env.json("DOCUMENT_STORAGE_OPTIONS", default={})
except ValueError as problem:
    # never what stands in it: there may be a secret key
    raise ImproperlyConfigured(f"DOCUMENT_STORAGE_OPTIONS is not JSON ({problem}).") from None
if not isinstance(DOCUMENT_STORAGE_OPTIONS, dict):
    raise ImproperlyConfigured('DOCUMENT_STORAGE_OPTIONS is no JSON object, such as {"bucket_name": "papers"}.')
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    # What sellers send to prove who they are: a folder, S3 (`s3`), or any Django storage by its path. The bytes are sealed anyway.
    "documents": {
        "BACKEND": {
            "": "django.core.files.storage.FileSystemStorage",
            "s3": "payouts.compliance.s3.S3Documents",
        }.get(DOCUMENT_STORAGE, DOCUMENT_STORAGE),
        "OPTIONS": DOCUMENT_STORAGE_OPTIONS
        or {"location": str(DATA_DIR / "documents"), "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
}

# --- API ----------------------------------------------------------------------------------------------------------------
# Budgets per key; reads and writes apart, so that polling cannot shut out a payout.
API_READS_PER_MINUTE = env.int("API_READS_PER_MINUTE", default=6_000)
API_WRITES_PER_MINUTE = env.int("API_WRITES_PER_MINUTE", default=1_200)
# Networks webhooks to partners may reach although they are not public, such as 10.1.0.0/16; plain http goes to these only.
WEBHOOKS_PRIVATE_NETWORKS = env.list("WEBHOOKS_PRIVATE_NETWORKS", default=[])
# When set, /metrics answers only with this bearer token.
METRICS_TOKEN = env("METRICS_TOKEN", default="")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["backoffice.partners.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["backoffice.partners.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["backoffice.kit.api.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "backoffice.kit.api.schema.Described",
    "DEFAULT_THROTTLE_CLASSES": ["backoffice.partners.limits.KeyThrottle"],
    "EXCEPTION_HANDLER": "backoffice.kit.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Marketplace finance API",
    "DESCRIPTION": "Sellers, earnings, balances and payouts for partners of the marketplace.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # Without names of their own, generated clients would number these enums.
    "ENUM_NAME_OVERRIDES": {
        "SellerStatus": "payouts.sellers.states.SellerStatus",
        "PayeeStatus": "payouts.sellers.states.PayeeStatus",
        "PayoutStatus": "payouts.runs.states.PayoutStatus",
        "SkipCode": "payouts.runs.states.SkipCode",
        "EarningKind": "payouts.earnings.models.EarningKind",
        "PayeeKind": "payouts.sellers.models.PayeeKind",
        "RequirementState": "payouts.compliance.states.RequirementState",
        "DocumentState": "payouts.compliance.states.DocumentState",
        "PersonKind": "payouts.compliance.models.PersonKind",
        "EndpointStatus": "backoffice.partners.outgoing.states.EndpointStatus",
        "DeliveryStatus": "backoffice.partners.outgoing.states.DeliveryStatus",
        "DisputeStatus": "billing.disputes.states.DisputeStatus",
        "DisputeWorkState": "billing.disputes.states.WorkState",
        "InvoiceStatus": "billing.invoices.states.InvoiceStatus",
        "CustomerKind": "billing.customers.models.CustomerKind",
        "TaxCategory": "billing.invoices.models.TaxCategory",
    },
}

# --- admin --------------------------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Payout desk",
    "SITE_HEADER": "Payout desk",
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "backoffice.desk.layout.environment_label",
    "DASHBOARD_CALLBACK": "backoffice.desk.views.desk_context",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "backoffice.desk.layout.favicon"}],
    "STYLES": ["backoffice.desk.layout.stylesheet"],
    "SCRIPTS": ["backoffice.desk.layout.script"],
    "ACCOUNT": {"navigation": [{"title": "Time zone", "link": "/admin/time-zone/"}]},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "backoffice.desk.layout.navigation",
    },
    # The search box posts to /admin/find/ instead, so that account numbers stay out of addresses; no history for the same reason.
    "COMMAND": {"search_models": False, "search_callback": "backoffice.desk.search.find_anything", "show_history": False},
}

# --- logging ------------------------------------------------------------------------------------------------------------
# To standard error, so that --json output of commands stays clean. No personal data: see backoffice/kit/logs.py.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"class": "backoffice.kit.logs.RedactingFormatter", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "backoffice": {"level": env("LOG_LEVEL", default="INFO")},
        "payouts": {"level": env("LOG_LEVEL", default="INFO")},
        "fraud": {"level": env("LOG_LEVEL", default="INFO")},
        "billing": {"level": env("LOG_LEVEL", default="INFO")},
    },
}
