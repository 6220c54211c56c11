"""Video clips: decoded, made, judged, drawn and written."""
