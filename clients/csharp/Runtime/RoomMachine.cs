using System;
using System.Collections.Generic;

namespace Grandstand
{
    /// <summary>
    /// One room of a client: its place in the stream of versions, its inputs, and when it joins. Pure: messages and time go in,
    /// requests to <see cref="IOutside"/> come out.
    /// </summary>
    internal sealed partial class RoomMachine
    {
        private readonly JoinOptions options;
        private readonly Context context;
        private readonly Inputs inputs;
        private readonly double joinBy;
        private Peer joining; // the connection on which a join was sent that is not answered yet
        private long joinId;
        private long firstJoinId; // the first one on that connection
        private int newest; // the attempt of the newest connection on which a join was sent
        private double? rejoinAt;
        private double gapAt = double.NegativeInfinity;
        private string epoch = "";
        private long? version; // null while a snapshot is needed
        private bool needsFresh; // a join that asks for updates is on its way, but a snapshot is needed
        private bool merges;
        private JsonValue state = JsonValue.Null;
        private long lastN = -1;
        private string instance;
        private string role;
        private bool isReady;
        private List<Promise> leaving;
        private long leaveId;

        internal RoomMachine(string name, JoinOptions options, Context context, double now)
        {
            Name = name;
            this.options = options;
            this.context = context;
            inputs = new Inputs(name, context);
            joinBy = options.TimeoutMs > 0 ? now + options.TimeoutMs : double.PositiveInfinity;
        }

        internal string Name { get; }

        /// <summary>The connection that serves the room.</summary>
        internal Peer Link { get; private set; }

        /// <summary>Why the room ended: the client is not in it and does not come back.</summary>
        internal GrandstandException Ended { get; private set; }

        internal bool IsLeaving { get { return leaving != null; } }

        /// <summary>When <see cref="Poll"/> has something to do.</summary>
        internal double Deadline(bool isActive)
        {
            if (Ended != null) return double.PositiveInfinity;
            double at = isReady ? double.PositiveInfinity : joinBy;
            if (isActive && rejoinAt != null) at = Math.Min(at, rejoinAt.Value);
            return Link == null || leaving != null ? at : Math.Min(at, inputs.Deadline);
        }

        /// <summary>Joins on a connection, and resumes where the room was.</summary>
        internal void Enter(Peer peer)
        {
            rejoinAt = null;
            needsFresh = false;
            newest = Math.Max(newest, peer.Attempt);
            ClientMessage join = context.Message("join").Add("room", Name).Add("role", options.Role).Add("params", options.Params);
            if (version != null) join.Add("since", version.Value).Add("epoch", epoch);
            join.Add("client", context.Outside.ClientId).Add("attempt", peer.Attempt).Add("token", options.Token);
            joinId = context.Send(peer, join);
            if (joining != peer) firstJoinId = joinId;
            joining = peer;
        }

        /// <summary>Sends an input, as soon as it may be sent.</summary>
        internal void Send(Input input, double now)
        {
            GrandstandException error = Ended ?? (role == "spectator" ? Spectator() : null);
            if (leaving != null) error = LeftError();
            if (error != null)
            {
                context.Settle(input.Promise, InputException.Of(error));
                return;
            }
            inputs.Add(input);
            Poll(now, null);
        }

        /// <summary>Sends a lossy message, or drops it. The server would refuse that of a spectator.</summary>
        internal void Live(string field)
        {
            if (Link != null && role != "spectator" && leaving == null)
                context.Send(Link, context.Message("live").Add("room", Name).AddRaw(field));
        }

        internal void Leave(Promise promise)
        {
            if (Ended != null || Link == null)
            {
                if (joining != null) SendLeave(joining); // that join would still take the player in
                EndLeft();
                context.Settle(promise);
                return;
            }
            bool isFirst = leaving == null;
            leaving = leaving ?? new List<Promise>();
            leaving.Add(promise);
            if (!isFirst) return;
            leaveId = SendLeave(Link);
            inputs.FailAll(InputException.Of(LeftError()));
        }

        /// <summary>The application has left the room.</summary>
        internal void EndLeft()
        {
            End(LeftError());
        }

        /// <summary>Does what is due. <paramref name="active"/>: the connection on which the room may join.</summary>
        internal void Poll(double now, Peer active)
        {
            if (rejoinAt != null && now >= rejoinAt && active != null) Enter(active);
            if (leaving == null) inputs.Poll(Link, now);
            if (isReady || now < joinBy) return;
            if (joining != null) SendLeave(joining); // that join would still take the player in
            End(new JoinException("timeout", "not joined in time", Name));
        }

        /// <summary>The inputs and the join are sent again after a time, because the server read none of them.</summary>
        internal void Repeat(Peer peer, double until)
        {
            if (Link == peer) inputs.Pause(until);
            if (joining == peer) rejoinAt = until;
        }

        internal void OnLost(Peer peer, Status reason, Peer active)
        {
            if (joining == peer) joining = null;
            if (Link != peer) return;
            Link = null;
            if (leaving != null)
            {
                EndLeft();
                return;
            }
            OnStatus(reason);
            if (active != null && active.Attempt > peer.Attempt && joining == null && rejoinAt == null) Enter(active);
        }

        /// <summary>The state of the connection changed while the room waits for it, or is served by it.</summary>
        internal void OnStatus(Status status)
        {
            if (isReady) Tell(new RoomEvent(RoomEventKind.Status) { Status = status });
        }

        /// <summary>All promises fail, and the room waits until the application connects again.</summary>
        internal void Suspend(GrandstandException error, Status reason)
        {
            Link = joining = null;
            rejoinAt = null;
            inputs.FailAll(InputException.Of(error));
            if (leaving != null || !isReady) End(error, true);
            else OnStatus(reason);
        }

        /// <summary>The server closed the connection because an input was too big, and did not name it.</summary>
        internal void OnTooBig(string message)
        {
            inputs.FailSent(message);
        }

        /// <summary>Handles a message for this room.</summary>
        internal void Handle(Peer peer, ServerMessage message, double now)
        {
            if (Ended != null) return;
            switch (message.Type)
            {
                case "joined": OnJoined(peer, message, now); return;
                case "error": OnError(peer, message, now); return;
                case "left": OnLeft(peer, message); return;
            }
            if (peer != Link || leaving != null) return; // from before a drain, or after leaving
            switch (message.Type)
            {
                case "snapshot": OnSnapshot(message); break;
                case "update": OnUpdate(peer, message, now); break;
                case "direct": Tell(new RoomEvent(RoomEventKind.Direct) { Data = message.Data }); break;
                case "live":
                    long? n = message.Number("n");
                    if (n != null && n <= lastN) return; // overtaken
                    lastN = n ?? lastN;
                    Tell(new RoomEvent(RoomEventKind.Live) { Data = message.Data });
                    break;
                case "presence": Tell(new RoomEvent(RoomEventKind.Presence) { Presence = Presence.Of(message) }); break;
                case "ack":
                    inputs.OnAck(message.Seq.Value);
                    Poll(now, null);
                    break;
                case "reject":
                    InputException error = inputs.OnReject(message);
                    if (error != null) Tell(new RoomEvent(RoomEventKind.Reject) { Error = error });
                    Poll(now, null);
                    break;
            }
        }

        private void OnJoined(Peer peer, ServerMessage message, double now)
        {
            bool isAnswer = joining == peer && (message.Id ?? joinId) >= firstJoinId;
            if (!isAnswer && Link != peer) return; // not asked for on this connection
            role = message.Text("role");
            long lastSeq = message.Number("last_seq") ?? 0;
            string told = message.Text("instance");
            if (Link != peer) lastN = -1;
            if (isAnswer)
            {
                joining = null;
                rejoinAt = null;
            }
            Link = peer;
            // One that nobody asked for changes nothing about inputs that were sent, unless they are gone.
            bool restarts = isAnswer;
            if (instance != null && told != null && instance != told)
            {
                restarts = true;
                inputs.OnRestarted();
                version = null;
                Tell(new RoomEvent(RoomEventKind.Reset) { Error = new JoinException("room_restarted", "the room was created again", Name) });
            }
            else if (role == "player" && inputs.RollBack(lastSeq))
            {
                restarts = true;
                OnRolledBack(lastSeq);
            }
            instance = told ?? instance;
            Tell(new RoomEvent(RoomEventKind.Joined) { Text = role });
            if (role == "player")
            {
                if (restarts) inputs.Restart(lastSeq);
                Poll(now, null);
            }
            else inputs.FailAll(InputException.Of(Spectator()));
            if (isAnswer && needsFresh && version == null) Enter(peer);
            if (isReady) OnStatus(new Status(ConnectionState.Connected));
            else if (told == null) BeReady(); // a spectator who waits for the room
        }

        // The application gets the room together with its first state.
        private void BeReady()
        {
            if (isReady) return;
            isReady = true;
            OnStatus(new Status(ConnectionState.Connected));
            context.Outside.Enter(this, null);
        }

        private void OnSnapshot(ServerMessage message)
        {
            string told = message.Text("epoch");
            long at = message.Number("version").Value;
            // Older than what another connection has brought: the updates that follow lead on from there.
            if (told == epoch && version != null && at < version) return;
            epoch = told;
            version = at;
            merges = message.Text("patch") == "merge";
            state = message.Data;
            Tell(new RoomEvent(RoomEventKind.Snapshot) { Data = state, State = state, Version = at, Text = epoch });
            Tell(new RoomEvent(RoomEventKind.Change) { State = state });
            BeReady();
        }

        private void OnUpdate(Peer peer, ServerMessage message, double now)
        {
            long at = message.Number("version").Value, prev = message.Number("prev").Value;
            if (version == null || at <= version) return; // a snapshot is on its way, or a repeat
            if (prev != version)
            {
                // A join on a newer connection resumes from this version, and brings what is missing here.
                if (joining == null || joining == peer) OnGap(peer, now);
                return;
            }
            JsonValue next = state;
            try
            {
                if (merges) next = MergePatch.Apply(state, message.Data);
                else if (options.Reducer != null) next = options.Reducer(state, message.Data) ?? JsonValue.Null;
            }
            catch (Exception cause) // of the application
            {
                context.Outside.Report(new JoinException("reducer_failed", "the reducer failed: " + cause.Message, Name, null, cause));
                OnGap(peer, now);
                return;
            }
            version = at;
            state = next;
            Tell(new RoomEvent(RoomEventKind.Update) { Data = message.Data, State = state, Version = at, Prev = prev });
            if (merges || options.Reducer != null) Tell(new RoomEvent(RoomEventKind.Change) { State = state });
        }

        // An update is missing: joins again for a snapshot, but not faster than the backoff.
        private void OnGap(Peer peer, double now)
        {
            if (joining != null && joining != peer)
            {
                needsFresh = true; // the join on a newer connection takes the room there; the snapshot follows
                version = null;
                return;
            }
            double at = gapAt + context.MinMs;
            version = null;
            gapAt = Math.Max(now, at);
            if (now >= at) Enter(peer);
            else rejoinAt = at;
        }

        private void OnRolledBack(long seq)
        {
            var error = new InputException("room_rolled_back", "the server lost the inputs after " + seq, Name, seq);
            version = null;
            Tell(new RoomEvent(RoomEventKind.Reset) { Error = error });
            context.Outside.Report(error);
        }

        private void OnLeft(Peer peer, ServerMessage message)
        {
            Peer newer = joining == peer ? null : joining;
            if (peer != Link && peer != joining) return; // an older connection
            if (message.Code == "replaced" && peer.Attempt < newest)
            {
                if (peer == Link) Link = null; // by the join on a newer connection, which may be gone again
                return;
            }
            if (message.Id != null && (leaving == null || message.Id != leaveId)) return; // answers an earlier `leave`
            if (newer != null) SendLeave(newer);
            End(new JoinException(message.Code, "the server ended it", Name));
        }

        /// <summary>Ends the room. <paramref name="isOver"/>: the whole client has ended.</summary>
        internal void End(GrandstandException error, bool isOver = false)
        {
            if (Ended != null) return;
            Ended = error;
            Link = joining = null;
            rejoinAt = null;
            inputs.FailAll(InputException.Of(error));
            if (leaving != null)
                foreach (Promise promise in leaving) context.Settle(promise, isOver ? error : null);
            if (!isReady)
            {
                context.Outside.Enter(this, error);
                return;
            }
            OnStatus(new Status(ConnectionState.Closed, error));
            if (!isOver) Tell(new RoomEvent(RoomEventKind.Left) { Error = error });
        }

        private long SendLeave(Peer peer)
        {
            return context.Send(peer, context.Message("leave").Add("room", Name));
        }

        private JoinException LeftError()
        {
            return new JoinException("left", "the client left the room", Name);
        }

        private JoinException Spectator()
        {
            return new JoinException("forbidden", "a spectator sends no inputs", Name);
        }

        private void Tell(RoomEvent happened)
        {
            context.Outside.Tell(this, happened);
        }
    }
}
