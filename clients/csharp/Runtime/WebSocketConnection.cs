using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using System.Threading;

namespace Grandstand
{
    /// <summary>
    /// A WebSocket (RFC 6455) over a socket. The one of .NET hides the HTTP status of a refused handshake in Mono. One thread
    /// reads and answers pings, one writes. The callbacks run on the former; the caller ignores those after <see cref="Close"/>.
    /// </summary>
    internal sealed class WebSocketConnection
    {
        private const int MostBytes = 16 * 1024 * 1024;
        private const int MostHeaderBytes = 16 * 1024;
        private const int MostBacklog = 16 * 1024 * 1024; // letters of messages that the application has not polled
        private const int MostWaiting = 1024; // frames that wait to be written; further lossy ones and pongs are dropped
        private const int CloseTimeoutMs = 2000;
        private const int ConnectTimeoutMs = 2000; // per address, while there are others
        private static readonly UTF8Encoding Utf8 = new UTF8Encoding(false, true);

        private readonly Uri url;
        private readonly string token;
        private readonly ClientOptions options;
        private readonly Action<string> onFrame; // null for a binary frame
        private readonly Action<Closed> onClosed;
        private readonly Queue<byte[]> waiting = new Queue<byte[]>();
        private Socket socket;
        private Stream stream;
        private Timer closeTimer;
        private bool isOpen;
        private bool isClosing; // the application closes: nothing is told any more
        private bool isEnded; // a close frame is in the queue: nothing follows
        private bool isDisposed;
        private volatile bool wasTold;
        private long backlog;

        internal WebSocketConnection(Uri url, string token, ClientOptions options, Action<string> onFrame, Action<Closed> onClosed)
        {
            this.url = url;
            this.token = token;
            this.options = options;
            this.onFrame = onFrame;
            this.onClosed = onClosed;
            new Thread(Run) { IsBackground = true, Name = "Grandstand reader" }.Start();
        }

        /// <summary>Sends a text frame. <paramref name="isLossy"/>: it is dropped if many wait.</summary>
        internal void Send(string text, bool isLossy)
        {
            Write(1, Utf8.GetBytes(text), isLossy);
        }

        /// <summary>The application has taken a frame. While it takes none, no more than a bound is read.</summary>
        internal void OnTaken(string frame)
        {
            Interlocked.Add(ref backlog, frame == null ? 0 : -frame.Length);
        }

        /// <summary>Closes with 1000 and does not wait for the other side.</summary>
        internal void Close()
        {
            lock (waiting)
            {
                isClosing = true;
                if (!isOpen) Dispose();
                else BeginClose(1000);
            }
        }

        private void BeginClose(int code)
        {
            Write(8, new[] { (byte)(code >> 8), (byte)code }, false);
            lock (waiting)
            {
                isEnded = true;
                if (closeTimer == null && !isDisposed)
                    closeTimer = new Timer(state => Dispose(), null, CloseTimeoutMs, Timeout.Infinite);
            }
        }

        private void Run()
        {
            Closed closed;
            try
            {
                Connect();
                Handshake();
                lock (waiting)
                {
                    if (isClosing) throw new IOException("closed");
                    isOpen = true;
                }
                new Thread(WriteAll) { IsBackground = true, Name = "Grandstand writer" }.Start();
                closed = ReadAll();
            }
            catch (Exception error) // of the network, of TLS, or of the server's answer
            {
                closed = new Closed(1006, "", isOpen, error.Message);
            }
            Tell(closed);
            lock (waiting)
            {
                if (closed.Code == 1006 || !isOpen || isClosing) Dispose();
                else BeginClose(closed.Code == 1005 ? 1000 : closed.Code);
            }
        }

        private void Tell(Closed closed)
        {
            lock (waiting)
            {
                if (isClosing || wasTold) return;
                wasTold = true;
            }
            onClosed(closed);
        }

        private void Connect()
        {
            IPAddress literal;
            IPAddress[] addresses = IPAddress.TryParse(url.DnsSafeHost, out literal)
                ? new[] { literal } : Dns.GetHostAddresses(url.DnsSafeHost);
            Exception problem = new IOException("no address");
            for (int i = 0; i < addresses.Length && socket == null; i++)
            {
                var next = new Socket(addresses[i].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    IAsyncResult connecting = next.BeginConnect(addresses[i], url.Port, null, null);
                    bool isLast = i + 1 == addresses.Length;
                    if (!connecting.AsyncWaitHandle.WaitOne(isLast ? options.ConnectTimeoutMs : ConnectTimeoutMs))
                        throw new IOException(addresses[i] + " does not answer");
                    next.EndConnect(connecting);
                    lock (waiting)
                    {
                        if (isDisposed) throw new IOException("closed");
                        socket = next;
                    }
                }
                catch (Exception error)
                {
                    next.Close();
                    problem = error;
                }
            }
            if (socket == null) throw problem;
            stream = new NetworkStream(socket, false);
            if (url.Scheme != "wss") return;
            var encrypted = new SslStream(stream, false, options.CertificateValidation);
            encrypted.AuthenticateAsClient(url.DnsSafeHost, null, SslProtocols.Tls12, false);
            stream = encrypted;
        }

        private void Handshake()
        {
            var nonce = new byte[16];
            using (RandomNumberGenerator random = RandomNumberGenerator.Create()) random.GetBytes(nonce);
            string key = Convert.ToBase64String(nonce);
            var request = new StringBuilder("GET " + url.PathAndQuery + " HTTP/1.1\r\n");
            request.Append("Host: " + url.Authority + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
            request.Append("Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Protocol: grandstand.v1.json\r\n");
            if (!string.IsNullOrEmpty(token)) request.Append("Authorization: Bearer " + token + "\r\n");
            byte[] bytes = Encoding.ASCII.GetBytes(request.Append("\r\n").ToString());
            stream.Write(bytes, 0, bytes.Length);
            string[] lines = ReadHeader().Split(new[] { "\r\n" }, StringSplitOptions.None);
            string[] status = lines[0].Split(' ');
            if (status.Length < 2 || !status[0].StartsWith("HTTP/1.", StringComparison.Ordinal))
                throw new IOException("the answer is no HTTP");
            if (status[1] != "101") throw new IOException("the answer is HTTP " + lines[0].Substring(9) + " in place of a WebSocket");
            string accept = null, protocol = null, upgrade = null;
            foreach (string line in lines)
            {
                int colon = line.IndexOf(':');
                if (colon < 0) continue;
                string name = line.Substring(0, colon).ToLowerInvariant(), value = line.Substring(colon + 1).Trim();
                if (name == "sec-websocket-accept") accept = value;
                else if (name == "sec-websocket-protocol") protocol = value;
                else if (name == "upgrade") upgrade = value.ToLowerInvariant();
            }
            string proof;
            using (SHA1 sha = SHA1.Create())
                proof = Convert.ToBase64String(sha.ComputeHash(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
            if (upgrade != "websocket" || accept != proof) throw new IOException("the answer proves no WebSocket");
            if (protocol != null && protocol != "grandstand.v1.json") throw new IOException("the server has chosen another subprotocol");
        }

        // Reads byte by byte, so that nothing of the first frame is lost.
        private string ReadHeader()
        {
            var text = new StringBuilder();
            while (text.Length < MostHeaderBytes)
            {
                int next = stream.ReadByte();
                if (next < 0) throw new IOException("the connection ended within the handshake");
                text.Append((char)next);
                int n = text.Length;
                if (n >= 4 && next == '\n' && text[n - 2] == '\r' && text[n - 3] == '\n' && text[n - 4] == '\r')
                    return text.ToString(0, n - 4);
                if (n == 5 && text.ToString() != "HTTP/") throw new IOException("the answer is no HTTP");
            }
            throw new IOException("the header of the answer is too long");
        }

        // Reads frames until the end.
        private Closed ReadAll()
        {
            var message = new MemoryStream();
            int kind = 0; // of the message whose fragments are being read
            while (true)
            {
                byte[] head = ReadBytes(2);
                int opcode = head[0] & 15;
                bool isLast = (head[0] & 128) != 0, isControl = opcode >= 8;
                long length = head[1] & 127;
                if ((head[0] & 112) != 0 || (head[1] & 128) != 0) return Wrong(1002, "a frame with a mask or an unknown bit");
                if (isControl && (!isLast || length > 125)) return Wrong(1002, "a control frame that is too long");
                if (length >= 126)
                {
                    byte[] more = ReadBytes(length == 126 ? 2 : 8);
                    length = 0;
                    foreach (byte part in more) length = length << 8 | part;
                }
                if (length < 0 || length + message.Length > MostBytes) return Wrong(1009, "a message of more than 16 MiB");
                byte[] payload = ReadBytes((int)length);
                if (opcode == 8) return ReadClose(payload);
                if (opcode == 9) Write(10, payload, true);
                if (opcode == 9 || opcode == 10) continue;
                if (opcode > 2 || (opcode == 0) != (kind != 0)) return Wrong(1002, "a frame out of order");
                if (opcode != 0) kind = opcode;
                message.Write(payload, 0, payload.Length);
                if (!isLast) continue;
                string text = null;
                try
                {
                    if (kind == 1) text = Utf8.GetString(message.GetBuffer(), 0, (int)message.Length);
                }
                catch (ArgumentException)
                {
                    return Wrong(1007, "a text that is not UTF-8");
                }
                kind = 0;
                message.SetLength(0);
                Pass(text);
            }
        }

        private void Pass(string text)
        {
            Interlocked.Add(ref backlog, text == null ? 0 : text.Length);
            onFrame(text);
            while (Interlocked.Read(ref backlog) > MostBacklog)
            {
                lock (waiting) if (isClosing || isDisposed) return;
                Thread.Sleep(5);
            }
        }

        private static Closed ReadClose(byte[] payload)
        {
            if (payload.Length < 2) return new Closed(1005, "", true);
            return new Closed(payload[0] << 8 | payload[1], Encoding.UTF8.GetString(payload, 2, payload.Length - 2), true);
        }

        // The server broke the rules of WebSockets: as if the connection was lost.
        private Closed Wrong(int code, string detail)
        {
            BeginClose(code);
            return new Closed(1006, "", true, detail);
        }

        private byte[] ReadBytes(int count)
        {
            var bytes = new byte[count];
            for (int at = 0; at < count;)
            {
                int read = stream.Read(bytes, at, count - at);
                if (read <= 0) throw new IOException("the server ended the connection");
                at += read;
            }
            return bytes;
        }

        private void Write(int opcode, byte[] payload, bool isLossy)
        {
            int extra = payload.Length < 126 ? 0 : payload.Length < 65536 ? 2 : 8;
            var frame = new byte[2 + extra + 4 + payload.Length];
            frame[0] = (byte)(128 | opcode);
            frame[1] = (byte)(128 | (extra == 0 ? payload.Length : extra == 2 ? 126 : 127));
            for (int i = 0; i < extra; i++) frame[2 + i] = (byte)((long)payload.Length >> 8 * (extra - 1 - i));
            // A mask keeps proxies from taking the content for something else, which JSON of this client is not.
            byte[] mask = Guid.NewGuid().ToByteArray();
            int start = 2 + extra + 4;
            Array.Copy(mask, 0, frame, start - 4, 4);
            for (int i = 0; i < payload.Length; i++) frame[start + i] = (byte)(payload[i] ^ mask[i & 3]);
            lock (waiting)
            {
                if (isEnded || isDisposed || (isLossy && waiting.Count >= MostWaiting)) return;
                waiting.Enqueue(frame);
                Monitor.Pulse(waiting);
            }
        }

        private void WriteAll()
        {
            try
            {
                while (true)
                {
                    byte[] frame;
                    lock (waiting)
                    {
                        while (waiting.Count == 0)
                        {
                            if (isDisposed) return;
                            if (isEnded && !isClosing && wasTold) Dispose(); // the answer to the server's close is written
                            else Monitor.Wait(waiting);
                        }
                        frame = waiting.Dequeue();
                    }
                    stream.Write(frame, 0, frame.Length);
                }
            }
            catch (Exception)
            {
                Dispose(); // the reader tells why
            }
        }

        private void Dispose()
        {
            lock (waiting)
            {
                if (isDisposed) return;
                isDisposed = true;
                if (closeTimer != null) closeTimer.Dispose();
                Monitor.PulseAll(waiting);
            }
            try
            {
                if (socket == null) return;
                // Wakes the reader, too, which waits in a read.
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception)
            {
                // it is not connected any more
            }
            finally
            {
                if (socket != null) socket.Close();
            }
        }
    }
}
