"""Clipping, and noise on integers that a cohort adds together.

``clipping`` bounds what one client adds; ``strips`` draws integers exactly, for the laws in ``skellam`` and
``discrete_gaussian``; ``distributed`` sizes one client's share; ``adaptive`` follows a private quantile.
"""
