"""The routes of webhooks to partners, below /api/v1/."""

from django.urls import path

from backoffice.partners.outgoing import api

urlpatterns = [
    path("webhook_endpoints", api.Endpoints.as_view()),
    path("webhook_endpoints/<public_id:endpoint_id>", api.OneEndpoint.as_view()),
    path("webhook_endpoints/<public_id:endpoint_id>/secret", api.EndpointSecret.as_view()),
    path("webhook_endpoints/<public_id:endpoint_id>/rotate_secret", api.RotateSecret.as_view()),
    path("webhook_endpoints/<public_id:endpoint_id>/disable", api.DisableEndpoint.as_view()),
    path("webhook_endpoints/<public_id:endpoint_id>/enable", api.EnableEndpoint.as_view()),
    path("webhook_endpoints/<public_id:endpoint_id>/ping", api.PingEndpoint.as_view()),
    path("webhook_endpoints/<public_id:endpoint_id>/resend_missed", api.ResendMissed.as_view()),
    path("deliveries", api.Deliveries.as_view()),
    path("deliveries/<public_id:delivery_id>", api.OneDelivery.as_view()),
    path("deliveries/<public_id:delivery_id>/replay", api.ReplayDelivery.as_view()),
]
