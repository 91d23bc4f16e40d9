//! Replays on an embedded bus, of games that are as they should be and of some that are not.
