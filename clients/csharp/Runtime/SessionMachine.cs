using System;
using System.Collections.Generic;

namespace Grandstand
{
    /// <summary>
    /// The connections of one client: when it connects, with which token, which connection serves the rooms, and when it gives
    /// up. Pure: messages and time go in, requests to <see cref="IOutside"/> come out.
    /// </summary>
    internal sealed partial class SessionMachine
    {
        private const long Protocol = 1;

        private readonly IOutside outside;
        private readonly Context context;
        private readonly double connectTimeoutMs;
        private readonly Backoff backoff;
        private readonly Tokens tokens;
        private readonly List<RoomMachine> rooms = new List<RoomMachine>();
        private readonly List<Peer> peers = new List<Peer>();
        private Peer active; // the newest connection with a `welcome`; older ones serve rooms that it has not joined yet
        private Peer dialing;
        private double? dialAt;
        private bool waitsForToken; // a connection is to be opened once there is a token
        private int attempts;
        private int newest; // the attempt of the newest connection with a `welcome`
        private double notBefore; // the server asked for this wait
        private double hintedAt = double.NegativeInfinity; // the last try that a hint began
        private bool isHidden;
        private bool wasConnected;
        private ConnectionState state = ConnectionState.Connecting;

        internal SessionMachine(ClientOptions options, IOutside outside)
        {
            this.outside = outside;
            backoff = new Backoff(options.BackoffMinMs, options.BackoffMaxMs, options.MaxAttempts);
            context = new Context(outside, backoff.MinMs);
            connectTimeoutMs = options.ConnectTimeoutMs;
            tokens = new Tokens(options.Token, options.GetToken != null, backoff, context);
        }

        /// <summary>Why the client does nothing any more.</summary>
        internal GrandstandException Closed { get; private set; }

        /// <summary>When <see cref="Poll"/> has something to do.</summary>
        internal double Deadline
        {
            get
            {
                double at = Math.Min(dialAt ?? double.PositiveInfinity, tokens.Deadline);
                if (dialing != null) at = Math.Min(at, dialing.StartedAt + connectTimeoutMs);
                for (int i = 0; i < peers.Count; i++) at = Math.Min(at, peers[i].BeatAt(isHidden));
                for (int i = 0; i < rooms.Count; i++) at = Math.Min(at, rooms[i].Deadline(active != null));
                return at;
            }
        }

        /// <summary>Does what is due.</summary>
        internal void Poll(double now)
        {
            if (dialAt != null && now >= dialAt) Dial(now);
            tokens.Poll(now, active);
            if (dialing != null && now >= dialing.StartedAt + connectTimeoutMs)
                Drop(dialing, new ConnectException("timeout", "the server did not answer"), now);
            foreach (Peer peer in peers.ToArray())
            {
                Beat beat = peer.Look(isHidden, now);
                if (beat == Beat.Ping) Ping(peer, now);
                else if (beat == Beat.Dead) Drop(peer, new ConnectException("timeout", "the server is silent"), now);
            }
            foreach (RoomMachine room in rooms.ToArray()) room.Poll(now, active);
            Tidy();
        }

        /// <summary>Connects for the first time.</summary>
        internal void Start(double now)
        {
            Show(ConnectionState.Connecting);
            Dial(now);
        }

        /// <summary>Joins a room; returns the one that is joined or being joined already.</summary>
        internal RoomMachine Join(string name, JoinOptions options, double now)
        {
            RoomMachine known = Find(name);
            if (known != null && known.Ended == null && !known.IsLeaving) return known;
            if (known != null)
            {
                known.EndLeft();
                rooms.Remove(known);
            }
            var room = new RoomMachine(name, options, context, now);
            rooms.Add(room);
            if (Closed != null && Closed.Code == "no_room") Reconnect(now);
            if (Closed != null) room.End(Closed);
            else if (active != null) room.Enter(active);
            return room;
        }

        /// <summary>Connects again at the application's wish: also after a close that is final, but not after `close`.</summary>
        internal void Reconnect(double now)
        {
            if (Closed == null)
            {
                OnHint(Hint.Online, now);
                return;
            }
            if (Closed.Code == "closed" || !tokens.HasHope) return;
            Closed = null;
            backoff.Reset();
            Start(now);
        }

        /// <summary>Closes all, for good.</summary>
        internal void Close()
        {
            Finish(new ConnectException("closed", "the client is closed"));
            if (Closed.Code != "closed") Closed = new ConnectException("closed", "the client is closed");
            foreach (RoomMachine room in rooms.ToArray()) room.End(Closed, true);
        }

        internal void OnHint(Hint hint, double now)
        {
            if (hint == Hint.Hidden) isHidden = true;
            if (hint == Hint.Visible) isHidden = false;
            if (Closed != null || hint == Hint.Hidden || hint == Hint.Offline) return;
            foreach (Peer peer in peers.ToArray()) if (peer.IsWelcomed) Ping(peer, now);
            if (dialAt == null || active != null) return;
            double at = Math.Max(Math.Max(now, notBefore), hintedAt + backoff.MinMs);
            if (at >= dialAt) return;
            dialAt = hintedAt = at;
            Poll(now);
        }

        /// <summary>Measures the round trip, and the clock of the server.</summary>
        internal void MeasureTime(double now)
        {
            if (active != null) Ping(active, now);
        }

        /// <summary>A frame arrived. <paramref name="message"/> is null for one of an unknown type.</summary>
        internal void OnFrame(Peer peer, ServerMessage message, string problem, double now)
        {
            if (!peers.Contains(peer)) return;
            peer.OnHeard(now);
            if (problem != null) outside.Report(new ConnectException("bad_message", "the server sent nonsense (" + problem + ")"));
            else if (message != null) OnMessage(peer, message, now);
            Tidy();
        }

        /// <summary>A connection ended, or could not be opened.</summary>
        internal void OnClosed(Peer peer, Closed closed, double now)
        {
            if (!peers.Contains(peer)) return;
            GrandstandException error = Closing.Error(closed, peer.Refusal);
            AfterClose after = Closing.After(closed, peer.Refusal);
            if (closed.Code == 1009 && !peer.HasNamedInput)
                foreach (RoomMachine room in rooms.ToArray()) if (room.Link == peer) room.OnTooBig(error.Message);
            // A newer connection of this client replaces an older one, also if it is gone again.
            bool isReplaced = closed.Code == 4009 && peer.Attempt < newest;
            if (after == AfterClose.Final && !isReplaced && (peer == active || peer == dialing))
            {
                peers.Remove(peer);
                Finish(error);
                return;
            }
            OnLost(peer, error, after, now);
            Tidy();
        }

        private void OnMessage(Peer peer, ServerMessage message, double now)
        {
            if (message.Type == "error") OnError(peer, message, now);
            else if (message.Type == "welcome")
            {
                if (!peer.IsWelcomed) OnWelcome(peer, message, now);
            }
            else if (!peer.IsWelcomed) return;
            else if (message.Type == "notice") OnNotice(peer, message, now);
            else if (message.Type == "pong") outside.OnPong(message);
            else
            {
                RoomMachine room = Find(message.Room);
                if (room != null) room.Handle(peer, message, now);
            }
        }

        private void OnWelcome(Peer peer, ServerMessage message, double now)
        {
            long protocol = message.Number("protocol").Value;
            if (protocol != Protocol)
            {
                Finish(new ConnectException("unsupported_protocol", "the server speaks protocol " + protocol + ", not " + Protocol));
                return;
            }
            peer.OnWelcome(message, now);
            if (dialing == peer) dialing = null;
            active = peer;
            newest = peer.Attempt;
            notBefore = 0;
            wasConnected = true;
            tokens.OnWelcome(peer);
            Show(ConnectionState.Connected);
            foreach (RoomMachine room in rooms.ToArray()) if (room.Ended == null) room.Enter(peer);
        }

        private void OnNotice(Peer peer, ServerMessage message, double now)
        {
            switch (message.Code)
            {
                case "draining":
                    if (peer != active || dialing != null) return;
                    double earliest = peer.WelcomedAt.Value + backoff.MinMs;
                    if (now >= earliest) backoff.Reset();
                    dialAt = Math.Max(now + (message.Number("reconnect_in_ms") ?? 0), earliest);
                    break;
                case "degraded":
                case "recovered":
                    peer.IsDegraded = message.Code == "degraded";
                    if (peer == active) Show(peer.IsDegraded ? ConnectionState.Degraded : ConnectionState.Connected);
                    foreach (RoomMachine room in rooms.ToArray()) if (room.Link == peer) room.OnStatus(new Status(state));
                    break;
                case "token_expiring": tokens.OnExpiring(now); break;
                case "token_renewed": tokens.OnRenewed(message.Id); break;
            }
        }

        private void OnError(Peer peer, ServerMessage message, double now)
        {
            if (tokens.OnError(message, now)) return;
            if (message.Code == "too_big" && (message.Id ?? message.Seq) != null) peer.HasNamedInput = true;
            if (message.Room != null)
            {
                RoomMachine named = Find(message.Room);
                if (named != null) named.Handle(peer, message, now);
                return;
            }
            if (message.Id != null)
            {
                foreach (RoomMachine room in rooms.ToArray()) room.Handle(peer, message, now);
                return;
            }
            peer.Refusal = message;
            if (!peer.IsWelcomed) return;
            if (message.Code == "rate_limited")
            {
                foreach (RoomMachine room in rooms.ToArray()) room.Repeat(peer, now + context.RetryMs(message));
            }
            else outside.Report(new ConnectException(message.Code, message.Says, message.RetryAfterMs));
        }

        private void Dial(double now)
        {
            dialAt = null;
            waitsForToken = false;
            if (dialing != null || Closed != null) return;
            waitsForToken = !tokens.IsUsable(now);
            if (waitsForToken) return;
            var peer = new Peer(++attempts, tokens.Current, now);
            dialing = peer;
            peers.Add(peer);
            outside.Dial(peer);
        }

        private void Ping(Peer peer, double now)
        {
            peer.OnPinged(now);
            context.Send(peer, context.Message("ping"));
        }

        // Ends a connection without waiting for the other side.
        private void Drop(Peer peer, GrandstandException error, double now)
        {
            peers.Remove(peer);
            outside.HangUp(peer);
            OnLost(peer, error, AfterClose.Retry, now);
        }

        private void OnLost(Peer peer, GrandstandException error, AfterClose after, double now)
        {
            peers.Remove(peer);
            bool wasCurrent = peer == active || peer == dialing;
            if (peer == dialing) dialing = null;
            if (peer == active) active = peers.FindLast(other => other.IsWelcomed);
            if (wasCurrent && Closed == null) Retry(peer, error, after, now);
            foreach (RoomMachine room in rooms.ToArray()) room.OnLost(peer, new Status(Away, error), active);
        }

        private void Retry(Peer peer, GrandstandException error, AfterClose after, double now)
        {
            bool isOld = peer.IsOlder(backoff.MinMs, now);
            if (isOld) backoff.Reset();
            if (after == AfterClose.Token)
            {
                Refused refused = tokens.OnRefused(peer, isOld, error);
                if (refused == Refused.Final)
                {
                    Finish(error);
                    return;
                }
                if (refused == Refused.First)
                {
                    Wait(error, 0, now);
                    return;
                }
            }
            double? least = isOld && after == AfterClose.Retry ? 0 : backoff.Fail(outside.Random());
            if (least == null)
            {
                if (active == null) Finish(error);
                return;
            }
            double asked = after == AfterClose.RetryLater && peer.Refusal != null ? peer.Refusal.RetryAfterMs ?? 0 : 0;
            notBefore = now + asked;
            double wait = Math.Max(least.Value, asked == 0 ? 0 : asked + outside.Random() * backoff.MinMs / 2);
            if (isHidden && least > 0) wait = Math.Max(wait, backoff.MaxMs * (1 + outside.Random()));
            Wait(error, wait, now);
        }

        private void Wait(GrandstandException error, double wait, double now)
        {
            if (active == null) Show(Away, error, wait);
            if (dialing != null) return;
            dialAt = now + wait;
            if (wait == 0) Dial(now);
        }

        // Nothing happens any more until the application does something.
        private void Finish(GrandstandException error)
        {
            if (Closed != null) return;
            Closed = error;
            foreach (Peer peer in peers) outside.HangUp(peer);
            peers.Clear();
            active = dialing = null;
            dialAt = null;
            tokens.OnClosed(error);
            foreach (RoomMachine room in rooms.ToArray()) room.Suspend(error, new Status(ConnectionState.Closed, error));
            Tidy();
            Show(ConnectionState.Closed, error);
        }

        // Forgets rooms that have ended, and closes connections that a newer one has replaced in all rooms.
        private void Tidy()
        {
            rooms.RemoveAll(room => room.Ended != null);
            if (active == null) return;
            for (int i = peers.Count - 1; i >= 0; i--)
            {
                Peer peer = peers[i];
                if (peer == active || peer == dialing || rooms.Exists(room => room.Link == peer)) continue;
                peers.RemoveAt(i);
                outside.HangUp(peer);
            }
        }

        private RoomMachine Find(string name)
        {
            return rooms.Find(room => room.Name == name);
        }

        private ConnectionState Away
        {
            get { return wasConnected ? ConnectionState.Reconnecting : ConnectionState.Connecting; }
        }

        private void Show(ConnectionState next, GrandstandException error = null, double? retryInMs = null)
        {
            if (next == state && next == ConnectionState.Connected) return;
            state = next;
            outside.Show(new Status(next, error, retryInMs));
        }
    }
}
