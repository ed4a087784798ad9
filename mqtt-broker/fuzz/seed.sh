#!/bin/sh
# Makes the seeds of every target: packets out of the codec's table of vectors, and small files.
set -eu
cd "$(dirname "$0")"
for target in client config engine mosquitto_db options_file password_file store; do mkdir -p "corpus/$target"; done

# Files of one input are parted by the byte 0x1e.
printf 'listener 1883 127.0.0.1\nallow_anonymous true\nmax_connections 50\n' > corpus/config/open
printf '# two doors\nper_listener_settings true\nlistener 1884\npassword_file users\nlistener 1885\nallow_anonymous true\n' \
    > corpus/config/two_listeners
printf 'port 1886\nmax_qos 1\nmax_keepalive 90\nlog_type error\nlog_dest stderr\n' > corpus/config/default_listener
printf 'include_dir d\n\036max_packet_size 70000\n\036listener 1887\n\036max_queued_messages 5\n' > corpus/config/included
printf 'listener 0 /run/door.sock\npersistent_client_expiration 2w\nretain_available no\nautosave_interval -1\n' \
    > corpus/config/unix
printf 'connection west\naddress 192.0.2.7:1883\ntopic up/# out 1 here/ there/\nlistner 1\nport 99999\n' > corpus/config/wrong

printf -- '-h broker.example\n--port 1890\n# nobody\n-u ann\n-P pass word\n-d\n' > corpus/options_file/plain
printf -- '-V 5\n\000-D\000publish\000user-property\000a\000b\000-D\000connect\000receive-maximum\0009\000-t\000a/b' \
    > corpus/options_file/properties
printf -- '--id-prefix x\n\000-F\000%%t %%10.4p %%J @Y-@m-@d\\n\000-T\000+/#' > corpus/options_file/format
printf -- '-L mqtt://me:secret@[::1]:1891/t/u\n\000--will-topic\000w\000--will-qos\0002\000-dk\00030' > corpus/options_file/url

digest=$(printf '%086d' 0)== salt=AAAAAAAAAAAAAAAA
printf 'ann:$6$%s$%s\n\n# staff\n bob : $7$101$%s$%s :notes\n' "$salt" "$digest" "$salt" "$digest" > corpus/password_file/two
printf 'cleo:$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$%043d' 0 > corpus/password_file/argon2id
printf '$7$1000$%s$%s' "$salt" "$digest" > corpus/password_file/hash
printf 'dan:plain\nno colon\n:x\nann:\nann:$9$a$b\n' > corpus/password_file/wrong

cp ../../tests/data/mosquitto-db/*.db corpus/mosquitto_db/
# A journal of two frames for pages of 512 bytes, the second one a commit, with right checksums; a
# message and a list of receivers without theirs, which the target puts right; a page with one row.
{
    printf '\000\067\177\006\202\000\055\342\030\000\000\002\000\000\000\000\000\163\141\154\164\123\101\114\124\111\067\144\206\125\135\175\176'
    printf '\000\000\000\001\000\000\000\000\163\141\154\164\123\101\114\124\170\274\355\176\261\115\171\330'
    head -c 512 /dev/zero
    printf '\000\000\000\002\000\000\000\002\163\141\154\164\123\101\114\124\234\357\111\044\111\334\267\312'
    head -c 512 /dev/zero
} > corpus/store/journal
printf '\001\001\001\001\000\001\000\000\000\000\000\000\000\000\000\000\000\000\000\377\377\377\377\377\377\377\377ptbody' \
    > corpus/store/message
printf '\001\007\000\000\000\001\010\000\000\000\011' > corpus/store/receivers
{ printf '\002'; head -c 4096 /dev/zero; printf '\015\000\000\000\001\017\362\000\017\362'
    head -c 4072 /dev/zero; printf '\014\007\004\000\001\024\001beef12'; } > corpus/store/page

# A broker of one shard that keeps nothing, where all arrives at once (see the target): a client
# connects with the plainest CONNECT of its version and sends the packet. In front of what is sent
# stands its length.
connect_31='10 0f 00 06 4d 51 49 73 64 70 03 02 00 3c 00 01 63'
connect_311='10 0d 00 04 4d 51 54 54 04 02 00 3c 00 01 63'
connect_5='10 0e 00 04 4d 51 54 54 05 02 00 3c 00 00 01 63'
# The shell's printf knows octal only.
bytes() { for byte in $1; do printf "\\$(printf '%03o' "0x$byte")"; done; }
tail -n +2 ../../mqtt-codec/tests/data/vectors.tsv | while IFS="$(printf '\t')" read -r name version sender hex _; do
    case $version in
    3.1) connect=$connect_31 ;;
    3.1.1) connect=$connect_311 ;;
    *) connect=$connect_5 ;;
    esac
    case $name in connect*) connect= ;; esac
    count() { printf '%02x' $#; }
    {
        bytes '20 00 00 00 00'
        [ -z "$connect" ] || bytes "02 $(count $connect) $connect"
        bytes "02 $(count $hex) $hex 0f"
    } > "corpus/engine/$name"
    # The same towards a client: opened, accepted, then the packet.
    case $version in
    3.1) header='02 00 00 00'; connack='20 02 00 00' ;;
    3.1.1) header='01 00 00 00'; connack='20 02 00 00' ;;
    *) header='00 00 00 00'; connack='20 03 00 00 00' ;;
    esac
    case $name in connack*) connack= ;; esac
    {
        bytes "$header 00 00"
        [ -z "$connack" ] || bytes "02 $(count $connack) $connack"
        bytes "02 $(count $hex) $hex 0b ff"
    } > "corpus/client/$name"
done

# Inputs that found something.
cp -r regressions/. corpus/

for target in corpus/*; do echo "$target: $(find "$target" -type f | wc -l)"; done
