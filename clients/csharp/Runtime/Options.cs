using System;
using System.Net.Security;
using System.Threading.Tasks;

namespace Grandstand
{
    /// <summary>Options of a <see cref="Client"/>.</summary>
    public sealed class ClientOptions
    {
        /// <summary>The address of the server: <c>wss://play.example.org</c>, with another path than <c>/v1/ws</c> if need be.</summary>
        public string Url { get; set; }

        /// <summary>The token of the player.</summary>
        public string Token { get; set; }

        /// <summary>
        /// Returns a token. Called within <see cref="Client.Poll"/>: before the first connection, before a token expires, and after
        /// it was refused.
        /// </summary>
        public Func<Task<string>> GetToken { get; set; }

        /// <summary>The least wait between attempts to connect. The first one after a loss is made at once.</summary>
        public double BackoffMinMs { get; set; } = 1000;

        /// <summary>The longest wait between attempts to connect.</summary>
        public double BackoffMaxMs { get; set; } = 30000;

        /// <summary>The number of failed attempts in a row after which the client closes; 0: endless.</summary>
        public int MaxAttempts { get; set; }

        /// <summary>The time until a server must answer.</summary>
        public int ConnectTimeoutMs { get; set; } = 10000;

        /// <summary>Decides on the server's certificate in place of the device, for example for one of your own.</summary>
        public RemoteCertificateValidationCallback CertificateValidation { get; set; }
    }

    /// <summary>Options of <see cref="Client.Join"/>.</summary>
    public sealed class JoinOptions
    {
        /// <summary><c>"spectator"</c> asks for less than the token allows.</summary>
        public string Role { get; set; }

        /// <summary>An object that the game gets if this join creates the room.</summary>
        public JsonValue Params { get; set; }

        /// <summary>An invitation: a token for this room alone.</summary>
        public string Token { get; set; }

        /// <summary>Makes the next state of a state and an update, for games whose updates are no patches.</summary>
        public Func<JsonValue, JsonValue, JsonValue> Reducer { get; set; }

        /// <summary>The time until the join fails with <c>timeout</c>; 0 to wait.</summary>
        public double TimeoutMs { get; set; } = 30000;
    }

    /// <summary>Where a snapshot or an update stands in the room's stream of versions.</summary>
    public struct At
    {
        internal At(long version, long prev, string epoch)
        {
            Version = version;
            Prev = prev;
            Epoch = epoch;
        }

        /// <summary>The version of the view after it.</summary>
        public long Version { get; }

        /// <summary>The version before an update.</summary>
        public long Prev { get; }

        /// <summary>The epoch of a snapshot; compare it for equality only.</summary>
        public string Epoch { get; }
    }
}
