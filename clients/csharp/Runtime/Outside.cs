using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace Grandstand
{
    /// <summary>What the machines ask of the shell around them. They do no I/O and read no clock.</summary>
    internal interface IOutside
    {
        void Dial(Peer peer);
        void HangUp(Peer peer);
        void Send(Peer peer, ClientMessage message);
        /// <summary>Calls the token function of the application.</summary>
        void WantToken();
        void Show(Status status);
        void Report(GrandstandException error);
        void TellTokenExpiring();
        void OnPong(ServerMessage pong);
        void Tell(RoomMachine room, RoomEvent happened);
        /// <summary>The join is done (without an error), or has failed.</summary>
        void Enter(RoomMachine room, GrandstandException error);
        void Settle(Promise promise, GrandstandException error, long seq);
        /// <summary>A random number in [0, 1).</summary>
        double Random();
        /// <summary>The random id of this client, which guards its connections against late ones.</summary>
        string ClientId { get; }
    }

    /// <summary>The answer to a call of the application.</summary>
    internal sealed class Promise
    {
        // Continuations run where the promise is settled: on the thread that calls Poll.
        private readonly TaskCompletionSource<long> source = new TaskCompletionSource<long>();

        internal Task<long> Task { get { return source.Task; } }

        internal void Settle(GrandstandException error, long seq)
        {
            if (error == null)
            {
                source.TrySetResult(seq);
                return;
            }
            source.TrySetException(error);
            GC.KeepAlive(source.Task.Exception); // it counts as observed: an application may listen to events instead
        }
    }

    internal enum RoomEventKind
    {
        Joined, Snapshot, Update, Change, Direct, Live, Presence, Reject, Status, Reset, Left,
    }

    /// <summary>An event of a room.</summary>
    internal sealed class RoomEvent
    {
        internal RoomEvent(RoomEventKind kind)
        {
            Kind = kind;
        }

        internal RoomEventKind Kind { get; }
        internal JsonValue Data { get; set; }
        /// <summary>The view after a snapshot, an update or a change.</summary>
        internal JsonValue State { get; set; }
        internal long Version { get; set; }
        internal long Prev { get; set; }
        /// <summary>The epoch of a snapshot; of `Joined` the role.</summary>
        internal string Text { get; set; }
        internal Presence Presence { get; set; }
        internal GrandstandException Error { get; set; }
        internal Status Status { get; set; }
    }

    /// <summary>What the machines of one client share.</summary>
    internal sealed class Context
    {
        /// <summary>The least wait before something is repeated, whatever the server says.</summary>
        internal const double LeastRetryMs = 100;
        private long lastId;

        internal Context(IOutside outside, double minMs)
        {
            Outside = outside;
            MinMs = minMs;
        }

        internal IOutside Outside { get; }

        /// <summary>The least wait of the backoff.</summary>
        internal double MinMs { get; }

        internal ClientMessage Message(string type)
        {
            return new ClientMessage(type, ++lastId);
        }

        /// <summary>Sends a message. Returns its id.</summary>
        internal long Send(Peer peer, ClientMessage message)
        {
            Outside.Send(peer, message);
            return message.Id;
        }

        internal void Settle(Promise promise, GrandstandException error = null, long seq = 0)
        {
            if (promise != null) Outside.Settle(promise, error, seq);
        }

        internal double RetryMs(ServerMessage error)
        {
            return Math.Max(error.RetryAfterMs ?? MinMs, LeastRetryMs);
        }
    }

    /// <summary>A player in a room.</summary>
    public sealed class PlayerPresence
    {
        internal PlayerPresence(string id, bool isConnected)
        {
            Id = id;
            IsConnected = isConnected;
        }

        /// <summary>The player's name: <c>sub</c> of the token.</summary>
        public string Id { get; }

        /// <summary>Whether the player is there; else the connection is lost, and the player may come back.</summary>
        public bool IsConnected { get; }
    }

    /// <summary>The people in a room.</summary>
    public sealed class Presence
    {
        internal Presence(IReadOnlyList<PlayerPresence> players, long playerCount, long viewers)
        {
            Players = players;
            PlayerCount = playerCount;
            Viewers = viewers;
        }

        /// <summary>The players; null if there are more than 64.</summary>
        public IReadOnlyList<PlayerPresence> Players { get; }

        /// <summary>The number of players.</summary>
        public long PlayerCount { get; }

        /// <summary>The number of spectators.</summary>
        public long Viewers { get; }

        internal static Presence Of(ServerMessage message)
        {
            long viewers = message.Number("viewers") ?? 0;
            long? count = message.Number("player_count");
            if (count != null) return new Presence(null, count.Value, viewers);
            var players = new List<PlayerPresence>();
            foreach (JsonValue player in message.Fields["players"].Items)
                players.Add(new PlayerPresence(player["id"].AsString(), player["state"].AsString() == "connected"));
            return new Presence(players, players.Count, viewers);
        }
    }
}
