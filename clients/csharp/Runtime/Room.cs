using System;
using System.Text;
using System.Threading.Tasks;

namespace Grandstand
{
    /// <summary>
    /// A room that the client has joined or is joining. It stays the same object through reconnects. Events are raised within
    /// <see cref="Client.Poll"/>, so listeners that are added right after <see cref="Client.Join"/> miss nothing.
    /// </summary>
    public sealed class Room
    {
        private readonly Client client;
        private readonly TaskCompletionSource<Room> entered = new TaskCompletionSource<Room>();

        internal Room(Client client, RoomMachine machine)
        {
            this.client = client;
            Machine = machine;
        }

        internal RoomMachine Machine { get; }

        /// <summary>The room's name.</summary>
        public string Name { get { return Machine.Name; } }

        /// <summary>The view: the last snapshot, with the patches or reduced updates since.</summary>
        public JsonValue State { get; private set; } = JsonValue.Null;

        /// <summary>The latest message for this player only: the private view, if the game has one.</summary>
        public JsonValue Private { get; private set; } = JsonValue.Null;

        /// <summary>The role that the server granted: <c>player</c> or <c>spectator</c>; null before.</summary>
        public string Role { get; private set; }

        /// <summary>The people in the room; null before the server has told.</summary>
        public Presence Presence { get; private set; }

        /// <summary>Whether the room is connected, with the reason if it is not.</summary>
        public Status Status { get; private set; } = new Status(ConnectionState.Connecting);

        /// <summary>Ends when the room is there with its first state, or fails with the reason why it is not.</summary>
        public Task<Room> Ready { get { return entered.Task; } }

        /// <summary>The server let the client in, also after a reconnect.</summary>
        public event Action<Room> Joined;

        /// <summary>The state changed, by a snapshot, a patch or the reducer.</summary>
        public event Action<JsonValue> Changed;

        /// <summary>The whole view; replaces all that was known.</summary>
        public event Action<JsonValue, At> Snapshot;

        /// <summary>A change of the view, as the game sent it.</summary>
        public event Action<JsonValue, At> Updated;

        /// <summary>A message for this player only. It may be repeated after a reconnect: the latest counts.</summary>
        public event Action<JsonValue> Direct;

        /// <summary>A lossy message, or a frame of a game in real time.</summary>
        public event Action<JsonValue> LiveReceived;

        /// <summary>The people in the room changed.</summary>
        public event Action<Presence> PresenceChanged;

        /// <summary>The game refused an input; the task of its <see cref="Send"/> fails with the same error.</summary>
        public event Action<InputException> Rejected;

        /// <summary>The room is connected, waits for a connection, or has ended.</summary>
        public event Action<Status> StatusChanged;

        /// <summary>
        /// The room is another one (<c>room_restarted</c>) or an older one (<c>room_rolled_back</c>) than the client knew.
        /// </summary>
        public event Action<GrandstandException> Reset;

        /// <summary>The client is in the room no more, and does not come back by itself.</summary>
        public event Action<GrandstandException> Left;

        /// <summary>
        /// Sends an input. The task ends with its number once it is stored and processed, however often the connection is lost in
        /// between. It fails with an <see cref="InputException"/> if the game refuses it, or if the room ends before.
        /// </summary>
        public Task<long> Send(JsonValue data)
        {
            string field;
            try
            {
                field = ClientMessage.DataField(data);
            }
            catch (FormatException error)
            {
                var promise = new Promise();
                promise.Settle(new InputException("bad_data", error.Message, Name), 0);
                return promise.Task;
            }
            return client.Send(this, new Input { Field = field, Size = Encoding.UTF8.GetByteCount(field) });
        }

        /// <summary>
        /// Sends a message that may be lost: a position, a control of a game in real time. Without a connection it is dropped.
        /// Throws a <see cref="FormatException"/> if the data is no JSON (infinity, or nested too deeply).
        /// </summary>
        public void Live(JsonValue data)
        {
            Machine.Live(ClientMessage.DataField(data));
        }

        /// <summary>Leaves the room. The task ends once the server has taken the client out; open inputs fail with <c>left</c>.</summary>
        public Task Leave()
        {
            return client.Leave(this);
        }

        internal void Enter(GrandstandException error)
        {
            if (error == null)
            {
                entered.TrySetResult(this);
                return;
            }
            entered.TrySetException(error);
            GC.KeepAlive(entered.Task.Exception); // it counts as observed: `Status` tells, too
        }

        internal void Raise(RoomEvent happened)
        {
            JsonValue data = happened.Data;
            if (happened.State != null) State = happened.State;
            switch (happened.Kind)
            {
                case RoomEventKind.Joined:
                    Role = happened.Text;
                    if (Joined != null) Joined(this);
                    break;
                case RoomEventKind.Snapshot:
                    if (Snapshot != null) Snapshot(data, new At(happened.Version, 0, happened.Text));
                    break;
                case RoomEventKind.Update:
                    if (Updated != null) Updated(data, new At(happened.Version, happened.Prev, null));
                    break;
                case RoomEventKind.Change:
                    if (Changed != null) Changed(State);
                    break;
                case RoomEventKind.Direct:
                    Private = data;
                    if (Direct != null) Direct(data);
                    break;
                case RoomEventKind.Live:
                    if (LiveReceived != null) LiveReceived(data);
                    break;
                case RoomEventKind.Presence:
                    Presence = happened.Presence;
                    if (PresenceChanged != null) PresenceChanged(Presence);
                    break;
                case RoomEventKind.Reject:
                    if (Rejected != null) Rejected((InputException)happened.Error);
                    break;
                case RoomEventKind.Status:
                    Status = happened.Status;
                    if (StatusChanged != null) StatusChanged(Status);
                    break;
                case RoomEventKind.Reset:
                    if (Reset != null) Reset(happened.Error);
                    break;
                case RoomEventKind.Left:
                    if (Left != null) Left(happened.Error);
                    break;
            }
        }
    }
}
