"""Video clips: decoded, made, evaluated, drawn and written."""
