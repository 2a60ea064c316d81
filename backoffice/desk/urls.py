"""Doors of the desk beside the admin's own."""

from django.urls import path

from backoffice.desk import views

urlpatterns = [
    path("go/<str:public_id>", views.staff_go, name="go"),
    path("admin/chart/", views.staff_chart, name="chart"),
    path("admin/find/", views.staff_find, name="find"),
    path("admin/time-zone/", views.staff_time_zone, name="time_zone"),
]
