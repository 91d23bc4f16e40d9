using System;

namespace Grandstand
{
    /// <summary>What a connection needs now.</summary>
    internal enum Beat
    {
        Nothing, Ping, Dead,
    }

    /// <summary>A connection from its first try to its end: its keepalive, and what the server has said of it.</summary>
    internal sealed class Peer
    {
        private const double HeartbeatMs = 25000; // if the server names none
        private const double LeastHeartbeatMs = 100; // a server that wants more is broken
        private const double LongestAnswerMs = 10000;
        /// <summary>A timer that fires so late was asleep with the device, and so were the messages.</summary>
        private const double AsleepMs = 1000;

        private double heartbeatMs = HeartbeatMs;
        private double heardAt;
        private double? pingedAt;

        internal Peer(int attempt, string token, double now)
        {
            Attempt = attempt;
            Token = token;
            StartedAt = heardAt = now;
            Window = 64;
        }

        /// <summary>The number of the connection; grows with each.</summary>
        internal int Attempt { get; }
        internal string Token { get; }
        internal double StartedAt { get; }
        internal double? WelcomedAt { get; private set; }
        internal bool IsWelcomed { get { return WelcomedAt != null; } }
        internal long Window { get; private set; }
        internal long MessageBytes { get; private set; } = long.MaxValue;
        /// <summary>An error about the connection, which tells why it is closed.</summary>
        internal ServerMessage Refusal { get; set; }
        internal bool IsDegraded { get; set; }
        /// <summary>An error has named the input that was too big.</summary>
        internal bool HasNamedInput { get; set; }

        internal void OnWelcome(ServerMessage message, double now)
        {
            WelcomedAt = now;
            JsonValue limits = message.Fields["limits"];
            if (limits["window"].AsLong() > 0) Window = limits["window"].AsLong();
            if (limits["message_bytes"].AsLong() > 0) MessageBytes = limits["message_bytes"].AsLong();
            long asked = message.Number("heartbeat_ms") ?? 0;
            heartbeatMs = Math.Max(asked > 0 ? asked : HeartbeatMs, LeastHeartbeatMs);
        }

        internal void OnHeard(double now)
        {
            heardAt = now;
            pingedAt = null;
        }

        internal void OnPinged(double now)
        {
            pingedAt = pingedAt ?? now;
        }

        /// <summary>Whether the connection has been open for a time.</summary>
        internal bool IsOlder(double ms, double now)
        {
            return WelcomedAt != null && now - WelcomedAt.Value >= ms;
        }

        /// <summary>When to look at the keepalive. In the background a battery counts more than a quick notice.</summary>
        internal double BeatAt(bool isHidden)
        {
            if (WelcomedAt == null) return double.PositiveInfinity;
            if (pingedAt == null) return heardAt + heartbeatMs * (isHidden ? 2 : 1);
            return pingedAt.Value + Math.Min(heartbeatMs, LongestAnswerMs);
        }

        internal Beat Look(bool isHidden, double now)
        {
            double at = BeatAt(isHidden);
            if (now < at) return Beat.Nothing;
            if (pingedAt == null) return Beat.Ping;
            if (now - at < AsleepMs) return Beat.Dead;
            pingedAt = null;
            return Beat.Ping;
        }
    }
}
