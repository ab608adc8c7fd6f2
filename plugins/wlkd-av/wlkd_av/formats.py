"""libav's demuxers that strangers' bytes may reach, and what is known of some of them."""

from __future__ import annotations

CONTAINERS = (
    "matroska,webm,ogg,mov,mp4,m4a,3gp,3g2,mj2,avi,asf,asf_o,flv,live_flv,mpegts,mpeg,mxf,nut,gxf,rm,wtv,ty,nsv,nuv,"
    "dv,amv,ivr,pva,dhav,swf,vividas,wc3movie,psxstr,thp,film_cpk,bink,smk,mtv,mvi,ea,4xm,roq,jv,xmv,cine,lxf,kux"
)
RECORDINGS = (
    "wav,w64,aiff,caf,au,voc,flac,mp3,aac,loas,ac3,eac3,ac4,dts,dtshd,mlp,truehd,amr,amrnb,amrwb,tta,ape,wv,mpc,mpc8,"
    "tak,shn,ircam,nistsphere,sox,sln,8svx,iff,svx,dsf,dss,gsm,g722,g723_1,g726,g726le,g728,g729,ilbc,codec2,sbc,"
    "aptx,aptx_hd,qcp,oma,aea,aax,aa,act,avr,pvf,paf,siff,wve,rso,sds,sdx,vqf,xwma,qoa,osq,rka,bonk,lvf,mmf,hcom,"
    "dfpwm,lc3,iamf,apac,epaf,mods,msf,adx,adp,ads,afc,aix,apc,apm,ast,bfstm,brstm,binka,boa,fsb,fwse,genh,hca,"
    "kvag,mca,mtaf,musx,nsp,pp_bnk,redspark,rsd,scd,sol,svag,svs,vag,vpk,wady,wavarc,wsaud,wsd,xa,xvag,ace,acm"
)
SAMPLES = "u8,s8,s16le,s16be,s24le,s24be,s32le,s32be,f32le,f32be,f64le,f64be,alaw,mulaw"
ALLOWED = f"{CONTAINERS},{RECORDINGS},{SAMPLES}"
"""Everything that holds audio in itself. Playlists and `concat`, which open other files, and images stay out."""

LATE = frozenset({"mpegts", "flv", "live_flv", "mpeg", "nsv", "nuv", "rm", "pva", "dhav", "ty", "wtv", "asf"})
"""Their streams are not named at the start: they turn up on the way."""
FROM_ZERO = frozenset({"matroska", "webm", "mov", "mp4", "ogg", "flv", "avi", "nut"})
"""Their time 0 is the recording's start, whatever their first packet says. The others' clock begins anywhere."""
MEASURED = frozenset({"mov", "mp4", "flac", "aiff", "au", "wv", "tta"})
"""Their header says how long the audio is, unless it was written before that was known."""
UNTIMED = frozenset({"aac", "loas"})
"""Their frames have no times: libav counts them by the sample rate of the first, and later ones may have another."""

NAMES = {
    "matroska": "WebM or Matroska",
    "mov": "MP4",
    "mp4": "MP4",
    "ogg": "Ogg",
    "wav": "WAV",
    "flac": "FLAC",
    "mpegts": "MPEG-TS",
    "mpeg": "MPEG-PS",
    "flv": "FLV",
    "caf": "CAF",
    "aiff": "AIFF",
    "au": "AU",
    "voc": "VOC",
    "avi": "AVI",
    "asf": "ASF",
    "mp3": "MP3",
    "aac": "AAC",
    "amr": "AMR",
    "w64": "W64",
}
"""What people call them."""
