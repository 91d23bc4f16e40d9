"""The scripted server of the conformance cases, and the judge of what an SDK does with it."""
