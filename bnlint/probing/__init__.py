"""The probe: runs a live model on its real device, measures, judges and compares."""
