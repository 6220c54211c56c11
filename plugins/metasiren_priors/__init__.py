"""Priors over sets of signals: data sets, encoders of observations, and their evaluation."""
