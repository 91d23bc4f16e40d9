using System;

namespace Grandstand
{
    /// <summary>Exponential backoff with full jitter. Pure: the caller draws the random number and waits.</summary>
    internal sealed class Backoff
    {
        private readonly int mostAttempts;
        private int failures;

        internal Backoff(double minMs, double maxMs, int mostAttempts)
        {
            MinMs = minMs;
            MaxMs = Math.Max(minMs, maxMs);
            this.mostAttempts = mostAttempts;
        }

        internal double MinMs { get; }
        internal double MaxMs { get; }

        /// <summary>Counts a failure. Returns the wait before the next attempt; null if there were enough.</summary>
        internal double? Fail(double random)
        {
            failures++;
            if (mostAttempts > 0 && failures >= mostAttempts) return null;
            double bound = Math.Min(MaxMs, MinMs * Math.Pow(2, Math.Min(failures, 60)));
            return MinMs + random * (bound - MinMs);
        }

        /// <summary>The last attempt was a success.</summary>
        internal void Reset()
        {
            failures = 0;
        }
    }
}
