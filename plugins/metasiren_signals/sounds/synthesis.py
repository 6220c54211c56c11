"""Sounds that need no file, the same on every machine to rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metasiren_signals.sounds.reading import Recording, Samples

RATE = 8000
SECONDS = 2.0


def _times() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.arange(round(RATE * SECONDS)) / RATE


def chord() -> Samples:
    """Plucked strings, A major from A2 upwards: each note starts a quarter of a second after the last and decays.

    A note is a sum of harmonics k with amplitudes 1/k and decay rates that grow with k.
    """
    t = _times()
    sound = np.zeros_like(t)
    for note, frequency in enumerate((110.0, 220.0, 277.18, 329.63, 440.0)):
        since = np.clip(t - 0.25 * note, 0, None)
        for k in range(1, 7):
            sound += np.sin(2 * np.pi * k * frequency * since) * np.exp(-(1.2 + 0.8 * k) * since) / k
    return sound.astype(np.float32)[:, None]


def speech() -> Samples:
    """Something like syllables: pulses of a gliding pitch through three resonances, with pauses and a hiss.

    Each syllable's resonances are those of a vowel (formants in Hz); the hiss before every second one is seeded
    noise.
    """
    from scipy.signal import lfilter

    vowels = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
    t, noise = _times(), np.random.default_rng(0)
    sound, length = np.zeros_like(t), round(0.34 * RATE)
    for number, formants in enumerate(vowels):
        begin = round((0.08 + 0.48 * number) * RATE)
        local = np.arange(length) / RATE
        pitch = np.cumsum(125 - 60 * local) / RATE
        voice = np.diff(np.floor(pitch), prepend=0.0)
        for formant in formants:
            radius, angle = np.exp(-np.pi * 90 / RATE), 2 * np.pi * formant / RATE
            voice = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], voice)
        voice = voice / np.abs(voice).max() * np.sin(np.pi * local / local[-1]) ** 0.7
        sound[begin : begin + length] += voice
        if number % 2:
            hiss = noise.normal(size=length // 4) * np.hanning(length // 4)
            sound[begin - len(hiss) : begin] += 0.1 * np.diff(hiss, prepend=0.0)
    return sound.astype(np.float32)[:, None]


SOUNDS: dict[str, Callable[[], Samples]] = {"chord": chord, "speech": speech}


def made_sound(name: str) -> Recording:
    """The sound of that name, two seconds at 8 kHz."""
    return Recording(SOUNDS[name](), RATE, "PCM_16", f"{name} (synthetic)")
