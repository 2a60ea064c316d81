"""The addresses of this wing in the API."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
