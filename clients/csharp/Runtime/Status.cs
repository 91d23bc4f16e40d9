namespace Grandstand
{
    /// <summary>The states of a client and of a room.</summary>
    public enum ConnectionState
    {
        /// <summary>Not connected yet.</summary>
        Connecting,
        /// <summary>Connected.</summary>
        Connected,
        /// <summary>The connection was lost, and the client tries again; inputs wait.</summary>
        Reconnecting,
        /// <summary>Connected, but the servers behind are away, and inputs may wait.</summary>
        Degraded,
        /// <summary>Nothing happens until the application does something.</summary>
        Closed,
    }

    /// <summary>A state with its reason.</summary>
    public sealed class Status
    {
        internal Status(ConnectionState state, GrandstandException error = null, double? retryInMs = null)
        {
            State = state;
            Error = error;
            RetryInMs = retryInMs;
        }

        /// <summary>The state.</summary>
        public ConnectionState State { get; }

        /// <summary>The reason, or null.</summary>
        public GrandstandException Error { get; }

        /// <summary>The code of the reason, or null.</summary>
        public string Why { get { return Error == null ? null : Error.Code; } }

        /// <summary>The time until the next attempt to connect.</summary>
        public double? RetryInMs { get; }

        /// <inheritdoc/>
        public override string ToString()
        {
            return Error == null ? State.ToString() : State + ": " + Error.Message;
        }
    }

    /// <summary>What a device tells about the network and the application.</summary>
    public enum Hint
    {
        /// <summary>The network is there again.</summary>
        Online,
        /// <summary>The network is away.</summary>
        Offline,
        /// <summary>The application is in front.</summary>
        Visible,
        /// <summary>The application is in the background.</summary>
        Hidden,
    }
}
