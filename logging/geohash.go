package logging

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// geohashDigits are the digits of geohashes, five bits each.
const geohashDigits = "0123456789bcdefghjkmnpqrstuvwxyz"

const geohashLenMax = 12

// newGeohashGrid makes a grid of a Terms whose keys are made of points.
func newGeohashGrid(g GeohashGrid, sub []Agg, b *aggBounds) (plan, error) {
	if g.Precision < 1 || g.Precision > geohashLenMax {
		return nil, fmt.Errorf("%w: geohash grid of %q: precision %d: want 1 to %d", ErrQuery, g.Field.Name, g.Precision, geohashLenMax)
	}
	p, err := newTerms(Terms{Field: g.Field, Size: g.Size, MinDocs: 1, Order: []TermsOrder{{By: "_count", Desc: true}, {By: "_key", Desc: true}}}, sub, b)
	if err != nil {
		return nil, err
	}
	p.points = &pointColumns{GeohashGrid: g}
	return p, nil
}

// pointColumns makes points of documents, and of rows where the points are
// objects of lat and lon.
type pointColumns struct {
	GeohashGrid
	lats, lons Numbers
	out        []Value
}

// load asks the rows for lat and lon; ok is false where that takes documents.
func (p *pointColumns) load(r *run) (ok bool, err error) {
	if codes, ok, err := r.rows.Codes(p.Field); !ok || err != nil || len(codes.Values) > 0 {
		return false, err
	}
	lat, lon := p.parts()
	if p.lats, ok, err = r.rows.Numbers(lat); !ok || err != nil {
		return false, err
	}
	p.lons, ok, err = r.rows.Numbers(lon)
	return ok, err
}

func (p *pointColumns) parts() (lat, lon Field) {
	return Field{Name: p.Field.Name + ".lat"}, Field{Name: p.Field.Name + ".lon"}
}

// cellOf gives the cell of a row.
func (p *pointColumns) cellOf(row uint32) (string, bool) {
	return p.cell(p.lats.Vals[row], p.lons.Vals[row])
}

// cells gives the cells of a document; they are good until the next call.
func (p *pointColumns) cells(d *Doc) []Value {
	p.out = p.out[:0]
	add := func(lat, lon float64) {
		if c, ok := p.cell(lat, lon); ok {
			p.out = append(p.out, String(c))
		}
	}
	latField, lonField := p.parts()
	lats := append([]Value(nil), d.Values(latField)...)
	if lons := d.Values(lonField); len(lons) == len(lats) {
		for i := range lats {
			lat, okLat := degree(lats[i])
			lon, okLon := degree(lons[i])
			if okLat && okLon {
				add(lat, lon)
			}
		}
	}
	vals := d.Values(p.Field)
	if len(vals) == 2 {
		lon, okLon := vals[0].plainNumber()
		lat, okLat := vals[1].plainNumber()
		if okLat && okLon {
			add(lat, lon)
			return p.out
		}
	}
	for _, v := range vals {
		if v.Kind != KindString {
			continue
		}
		if lat, lon, ok := ParsePoint(v.Str); ok {
			add(lat, lon)
		}
	}
	return p.out
}

// degree reads a number, also one that is written as a string.
func degree(v Value) (float64, bool) {
	if v.Kind == KindString {
		x, err := strconv.ParseFloat(v.Str, 64)
		return x, err == nil
	}
	return v.plainNumber()
}

func (v Value) plainNumber() (float64, bool) {
	switch v.Kind {
	case KindInt:
		return float64(v.Int), true
	case KindFloat:
		return v.Float, true
	}
	return 0, false
}

// cell gives the geohash of a point, unless it is none or outside.
func (p *pointColumns) cell(lat, lon float64) (string, bool) {
	if !(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180) {
		return "", false
	}
	if b := p.Within; b != nil {
		across := lon >= b.Left && lon <= b.Right
		if b.Left > b.Right {
			across = lon >= b.Left || lon <= b.Right
		}
		if !across || lat > b.Top || lat < b.Bottom {
			return "", false
		}
	}
	return Geohash(lat, lon, p.Precision), true
}

// Geohash gives the cell of a point, in degrees, by 1 to 12 digits.
func Geohash(lat, lon float64, digits int) string {
	x := gridBits((lon + 180) / 360)
	y := gridBits((lat + 90) / 180)
	var out [geohashLenMax]byte
	for i := range out[:digits] {
		five := 0
		for k := range 5 {
			from, bit := x, i*5+k // longitude and latitude take turns, from the highest bits
			if bit%2 == 1 {
				from = y
			}
			five = five<<1 | int(from>>(31-bit/2)&1)
		}
		out[i] = geohashDigits[five]
	}
	return string(out[:digits])
}

// gridBits gives a share of the whole as 32 bits; the end itself belongs to the
// last cell.
func gridBits(share float64) uint32 {
	return uint32(min(math.Floor(share*(1<<32)), math.MaxUint32))
}

// ParsePoint reads "lat,lon" and "POINT (lon lat)". Geohashes are not read: many
// a word is one.
func ParsePoint(s string) (lat, lon float64, ok bool) {
	if len(s) > 100 {
		return 0, 0, false
	}
	if a, b, found := strings.Cut(s, ","); found {
		return twoDegrees(a, b)
	}
	if len(s) > 5 && strings.EqualFold(s[:5], "POINT") {
		in := strings.TrimSpace(s[5:])
		if !strings.HasPrefix(in, "(") || !strings.HasSuffix(in, ")") {
			return 0, 0, false
		}
		parts := strings.Fields(in[1 : len(in)-1])
		if len(parts) < 2 {
			return 0, 0, false
		}
		return twoDegrees(parts[1], parts[0])
	}
	return 0, 0, false
}

func twoDegrees(a, b string) (lat, lon float64, ok bool) {
	lat, errLat := strconv.ParseFloat(strings.TrimSpace(a), 64)
	lon, errLon := strconv.ParseFloat(strings.TrimSpace(b), 64)
	return lat, lon, errLat == nil && errLon == nil
}
